"""Where a runbook is looked for."""

import pytest

from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.config import load
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from tests.unit.domain.incidents.test_runbook import PAGE, incident


@pytest.fixture
def runbooks(tmp_path):
    (tmp_path / "mainspring.toml").write_text("")
    (tmp_path / "runbooks").mkdir()
    return RunbookFinder(load(env={"HOME": str(tmp_path)}, cwd=tmp_path, uid=1000))


def task(**more):
    return Definition(kind=DefinitionKind.TASK, name="backup", **more)


def test_option_goes_before_page_and_page_before_docstring(runbooks, tmp_path):
    """Where one is named or written, the others are not looked at."""
    guided = task(guide="Turn the flag off.")
    found = runbooks.of("backup", guided)
    assert (found.where, found.text) == ("in its docstring: mainspring auto show backup", "Turn the flag off.")
    (tmp_path / "runbooks" / "backup.md").write_text(PAGE)
    assert runbooks.of("backup", guided).where == "runbooks/backup.md"
    named = task(guide="x", options={"runbook": "https://wiki.example.com/backup"})
    assert runbooks.of("backup", named, incident(code="http_403")).where == "https://wiki.example.com/backup"
    assert runbooks.of("other", None) is None


def test_page_is_linked_at_the_heading_of_the_error(runbooks, tmp_path):
    """Of a page that is named too, unless it names a heading; what cannot be read is linked as it is."""
    (tmp_path / "runbooks" / "backup.md").write_text(PAGE)
    of = incident(code="http_403")
    assert runbooks.of("backup", task(), of).where == "runbooks/backup.md#403-accessdenied"
    for named, where in (
        ("runbooks/backup.md", "runbooks/backup.md#403-accessdenied"),
        ("runbooks/backup.md#top", "runbooks/backup.md#top"),
        ("gone.md", "gone.md"),
        ("a\0b", "a\0b"),
    ):
        assert runbooks.of("backup", task(options={"runbook": named}), of).where == where


def test_words_are_those_of_what_can_be_read_here(runbooks, tmp_path):
    """The section that is about the incident; nothing of a file that is no Markdown of the project, nor of an address."""
    (tmp_path / "runbooks" / "backup.md").write_text(PAGE)
    found = runbooks.words(runbooks.of("backup", task(), incident(code="http_403")))
    assert found.startswith("## 403 AccessDenied")
    assert runbooks.words(runbooks.of("other", task(guide="Turn the flag off."))) == "Turn the flag off."
    (tmp_path.parent / "outside.md").write_text("# not for you")
    (tmp_path / "secrets.toml").write_text("x = 1")
    for named in ("../outside.md", "secrets.toml", "mainspring.toml", "https://wiki.example.com/a.md", "gone.md"):
        assert runbooks.words(runbooks.of("backup", task(options={"runbook": named}))) is None, named


def test_name_does_not_lead_out_of_the_folder(runbooks, tmp_path):
    """A name may hold anything."""
    (tmp_path / "secret.md").write_text("# x")
    assert runbooks.of("../secret", None) is None
    assert runbooks.of("x" * 300, None) is None
