"""The pages say what the program does."""

import json
import re
from pathlib import Path

import click

import mainspring.app.remote.api_errors
import mainspring.store.base  # noqa: F401 - their errors belong to the page of errors
from mainspring.cli import exits
from mainspring.cli.doctor.checks import checks_by_name
from mainspring.cli.global_flags import make_global_options
from mainspring.cli.main import root
from mainspring.config import Settings
from mainspring.config.known_keys import list_known_values
from mainspring.domain.definitions.options import OPTIONS
from mainspring.domain.errors import MainspringError
from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.states import DeliveryState
from mainspring.domain.text.markdown_headings import find_section
from mainspring.domain.values.event import Event
from mainspring.engine.definitions.trigger_draft import FLOW_CONTROL_OPTIONS, TRIGGER_KINDS
from mainspring.insight.incidents.findings import format_rule
from mainspring.web.api.table import ROUTES
from tests import api_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROW = re.compile(r"^\| `([a-z_]+\.[\w.]+)` \| (\S+|`\[[^`]+\]`) \| (.+) \|$", re.MULTILINE)
# Their defaults depend on the user and the store.
PLACES = {"store.url", "exec.spool"}


def setting_rows() -> dict[str, tuple[str, str]]:
    """Return {key: (default, meaning)} of the page's tables."""
    page = (DOCS / "reference" / "config.md").read_text(encoding="utf-8")
    return {key: (default.strip("`"), meaning) for key, default, meaning in ROW.findall(page)}


def format_default(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_config_page_lists_every_setting_and_no_other():
    """A new key without a row, and a row without a key, both fail."""
    expected = {".".join(path).replace("*", "NAME") for path in list_known_values() if path[0] != "monitors"}
    # The page of monitors has their settings.
    assert set(setting_rows()) == expected | {"monitors.MONITOR.SETTING", "monitors.of.NAME.MONITOR.SETTING"}


def test_config_page_displays_the_defaults_in_force():
    """The default that is written is the one that is used."""
    rows = setting_rows()
    displayed = {key.replace("NAME", "default"): default for key, (default, _) in rows.items()}
    for path, value, _ in Settings().describe():
        assert path in PLACES or path.startswith("monitors.") or displayed[path] == format_default(value), path


def test_config_page_states_of_default_options_what_the_table_states():
    """One sentence for an option, wherever it is shown."""
    rows = {key.removeprefix("defaults."): row[1] for key, row in setting_rows().items() if key.startswith("defaults.")}
    assert rows == {name: OPTIONS[name].help for name in rows}


def page_of(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def section_of(page: str, title: str) -> str:
    """Return the text below one heading of a page."""
    return page_of(page).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def command_lines(group: click.Group, before: str = "") -> dict[str, str]:
    """Return {words: one line} of every command of the tree, as click sees it."""
    found: dict[str, str] = {}
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= command_lines(command, f"{before}{name} ")
        else:
            found[f"{before}{name}"] = command.short_help or ""
    return found


def test_cli_page_lists_every_command_with_its_line():
    """The page, the help and the table of commands say the same."""
    rows = re.findall(r"^\| `([a-z][a-z -]*)` \| (.+) \|$", section_of("cli", "Commands"), re.MULTILINE)
    assert dict(rows) == command_lines(root)
    assert len(rows) == len(dict(rows))


def test_cli_page_lists_every_global_flag():
    """A flag that every command takes is listed on the page."""
    flags = {name for option in make_global_options(hidden=False) for name in option.opts if name.startswith("--")}
    section = section_of("cli", "Flags that every command takes")
    assert flags == set(re.findall(r"`(?:-\w, )?(--[a-z-]+)[^`]*` \|", section)) | {"--environment"}


def test_cli_page_lists_the_exit_codes():
    """Code and meaning as the program has them."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page_of("cli"), re.MULTILINE)
    assert {int(code): text for code, text in rows} == exits.MEANINGS


def test_error_page_explains_every_code():
    """The anchor that an error names is there, with the exit code and whether to try again as the tables have them."""
    sections = re.findall(r"^## (\w+)\n\nExit code (\d+)(, try again)?\. ", page_of("errors"), re.MULTILINE)
    listed = {code: (int(number), bool(again)) for code, number, again in sections}
    kinds = [kind for kind in subclasses(MainspringError) if kind.__module__ in SPOKEN and kind.code != "error"]
    own = {kind.code: (code_of(kind), exits.is_retryable(kind)) for kind in kinds}
    assert listed == own | {"usage": (exits.USAGE, False), "unexpected": (exits.UNEXPECTED, False)}


SPOKEN = (
    *(
        "mainspring.domain.errors",
        "mainspring.domain.effects.errors",
        "mainspring.domain.secrets.errors",
        "mainspring.domain.failures.saved_error",
        "mainspring.domain.values.sealing",
        "mainspring.cli.exits",
    ),
    *("mainspring.store.base", "mainspring.store.maintenance.move_marker", "mainspring.app.remote.api_errors"),
)


def code_of(kind: type[BaseException]) -> int:
    return next((code for row, code in exits.EXIT_CODES if issubclass(kind, row)), exits.UNEXPECTED)


def subclasses(kind: type[MainspringError]) -> set[type[MainspringError]]:
    return {kind, *(inner for subclass in kind.__subclasses__() for inner in subclasses(subclass))}


def test_doctor_page_explains_every_check():
    """In the order in which they are made."""
    assert re.findall(r"^## ([a-z-]+)$", page_of("doctor"), re.MULTILINE) == list(checks_by_name())


def test_trigger_page_lists_every_option_of_every_kind():
    """In one section for each kind, and one for what all of them take; no other."""
    page = page_of("triggers")
    documented = {
        title: {
            name for row in re.findall(r"^\| (`.+?) \|", body, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        }
        for title, body in re.findall(r"^## ([\w ]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    }
    expected = {kind: {*needed, *optional} - {"partition"} for kind, (_, needed, optional) in TRIGGER_KINDS.items()}
    assert documented.pop("States of a delivery") == {state.value for state in DeliveryState}
    assert not documented.pop("Input of the run") - {
        "data",
        "name",
        "str",
        "int",
        "float",
        "bool",
        *Event.__struct_fields__,
    }
    assert documented == expected | {"Options of every kind": {"filter", "partition", *FLOW_CONTROL_OPTIONS}}


def test_monitor_page_explains_every_monitor():
    """In the order of the table: its line, its rule, and each setting with the default in force."""
    page = page_of("monitors")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == [kind.value for kind in (*MONITORS, *FIXED_MONITORS)]
    defaults = {
        path: format_default(value)
        for path, value, _ in Settings().describe()
        if path.startswith("monitors.") and not path.endswith(".on")
    }
    documented = {}
    for kind, monitor in (MONITORS | FIXED_MONITORS).items():
        body = sections[kind.value]
        assert monitor.line in body
        assert f"*Rule:* {format_rule(monitor.rule)}\n" in body
        rows = re.findall(r"^\| `(\w+)` \| `(\S+)` \|", body, re.MULTILINE)
        documented |= {f"monitors.{kind.value}.{name}": default for name, default in rows}
    assert documented == defaults
    names = re.findall(r"`(\w+)`", section_of("monitors", "Monitors of the system").partition(":")[2])
    assert names == [kind.value for kind, monitor in MONITORS.items() if not monitor.of_automations]


def test_api_page_is_made_of_the_table():
    """`python -m tests.api_page` writes it again."""
    assert page_of("api") == api_page.page()
    assert {route.path.split("/")[1] for route in ROUTES} == set(api_page.TITLES)


def test_promises_name_tests_that_exist():
    """Each promise has a test, and no name of one is out of date."""
    page = (DOCS / "promises.md").read_text(encoding="utf-8")
    promises = re.split(r"^## (?=\d)", page, flags=re.MULTILINE)[1:]
    assert len(promises) == 6
    for promise in promises:
        tests = re.findall(r"`(tests/[a-z_/]+\.py)`", promise)
        assert tests, promise
        assert [name for name in tests if not (DOCS.parent / name).is_file()] == []


def test_architecture_page_names_files_that_exist():
    """A path counts from the source, or from the repository."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([\w/*-]+\.(?:py|sql))`", page))
    assert len(names) > 50
    folders = (DOCS.parent / "src" / "mainspring", DOCS.parent)
    assert [name for name in sorted(names) if not any(list(folder.glob(name)) for folder in folders)] == []


def test_readme_stays_short():
    """It is read in a minute or two."""
    assert len((DOCS.parent / "README.md").read_text(encoding="utf-8").splitlines()) < 150


QUESTIONS = DOCS / "contributing" / "questions"
FOR_CONTRIBUTORS = {"architecture.md"}
QUESTION_FILE = re.compile(
    r"# Questions: .+\n\nA reader can answer them after one reading of \[the page\]\(([^)]+)\)\.\n\n((?:\d\. .+\n {3}Answer: .+\n)+)"
)


def test_each_page_has_five_questions_with_answers():
    """One file for each page that users read, in one form, and none for another page."""
    pages = {DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"}
    for folder in (DOCS, DOCS / "how-to", DOCS / "reference"):
        pages |= {page for page in folder.glob("*.md") if page.name not in FOR_CONTRIBUTORS}
    pages_with_questions = []
    for file in sorted(QUESTIONS.glob("*.md")):
        if file.name == "README.md":
            continue
        form = QUESTION_FILE.fullmatch(file.read_text(encoding="utf-8"))
        assert form is not None, file.name
        assert re.findall(r"^\d", form[2], re.MULTILINE) == list("12345"), file.name
        pages_with_questions.append((QUESTIONS / form[1]).resolve())
    assert sorted(pages_with_questions) == sorted(pages)


LINK = re.compile(r"\]\(([^)\s:]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def has_section(target: Path, anchor: str) -> bool:
    return target.exists() and (
        not anchor or find_section(target.read_text(encoding="utf-8").splitlines(), anchor) is not None
    )


def test_links_lead_to_pages_and_sections_that_exist():
    """From each page, and from the pages of the repository."""
    root = DOCS.parent
    broken = []
    for page in [*root.glob("*.md"), *DOCS.rglob("*.md")]:
        for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
            path, _, anchor = link.partition("#")
            if not has_section(page.parent / path if path else page, anchor):
                broken.append((page.name, link))
    assert broken == []
