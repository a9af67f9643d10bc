"""Cases of exported journals, as pytest gets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.domain.errors import ArgumentError
from mainspring.testing import ReplayError, replay_cases
from tests.acceptance.one_project import Project

CODE = """
import mainspring as ms

async def charge(amount: int) -> int:
    return amount

@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    return await run.step(charge, number)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one finished run, exported twice under names of its own."""
    project = Project(tmp_path, CODE)
    (tmp_path / "journals").mkdir()
    for number, name in ((7, "small order"), (700, "large-order")):
        project.call("run", "order", f"number={number}")
        (tmp_path / "journals" / f"{name}.json").write_text(project.call("runs", "export", "@last").stdout)
    return project


def test_cases_are_the_same_until_the_code_changes(project: Project) -> None:
    """Then the failure has the sentence, the line, the parts and the fix."""
    config, pattern = project.folder / "mainspring.toml", project.folder / "journals" / "*.json"
    cases = replay_cases(pattern, config=config)
    assert [(case.name, case.automation, case.__name__) for case in cases] == [
        ("large-order", "order", "large-order"),
        ("small order", "order", "small order"),
    ]
    for case in cases:
        case.check()
    changed = project.folder / "changed.py"
    changed.write_text(CODE.replace("charge, number", "charge, number + 1"))
    other = project.folder / "other.toml"
    other.write_text('[project]\nautomations = ["changed.py"]\n')
    with pytest.raises(ReplayError) as failed:
        replay_cases(project.folder / "journals", config=other)[0].check()
    lines = str(failed.value).splitlines()
    assert lines[0].startswith("order: changed-input (run r_")
    assert "changed.py:9 in order" in lines[1]
    assert lines[2] == "  $.amount: 700 -> 701"
    assert lines[3].startswith("  Fix: Undo the edit.")


def test_failure_names_code_that_does_not_load(project: Project) -> None:
    """Its automations are missing, and the reason follows."""
    (project.folder / "broken.py").write_text("import nothing_of_this_name\n")
    config = project.folder / "broken.toml"
    config.write_text('[project]\nautomations = ["broken.py"]\n')
    (case, _) = replay_cases(project.folder / "journals", config=config)
    with pytest.raises(ReplayError, match="no automation 'order'") as failed:
        case.check()
    assert "nothing_of_this_name" in str(failed.value)


def test_cases_of_nothing_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without journals would always succeed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=r"replay_cases\('journals/\*\.json'\): nothing matches"):
        replay_cases("journals/*.json")
    with pytest.raises(ArgumentError, match="name at least one"):
        replay_cases()
    (tmp_path / "bad.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ArgumentError, match=r"bad\.json: this is no exported run"):
        replay_cases("bad.json")


@pytest.mark.slow
def test_pytest_prints_the_names_of_files(project: Project) -> None:
    """As ids of tests, and the difference as the message of the failure."""
    (project.folder / "test_journals.py").write_text(
        "import pytest\nfrom mainspring.testing import replay_cases\n"
        '@pytest.mark.parametrize("case", replay_cases("journals/*.json"))\ndef test_old(case):\n    case.check()\n'
    )

    env = project.env(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def run_pytest(code: int) -> str:
        words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", "."]
        done = subprocess.run(words, cwd=project.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout
        return done.stdout

    assert "test_old[large-order] PASSED" in run_pytest(0)
    (project.folder / "work.py").write_text(CODE.replace("charge, number", "charge, number + 1"))
    printed = run_pytest(1)
    assert "test_old[small order] FAILED" in printed
    assert "$.amount: 7 -> 8" in printed
    assert "_open_replayer" not in printed
