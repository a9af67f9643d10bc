"""init and add."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mainspring
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.scripts import load_scripts

EFFECT_TEST = """
import mainspring as ms

def send(number: int) -> int:
    return number

def test_effect():
    assert ms.once("key", send, 7) == 7
"""


@pytest.mark.parametrize(
    ("template", "name"), [("workflow", "order-demo"), ("bot", "answer-mail"), ("script", "hello")]
)
def test_new_project_loads_and_its_tests_pass(cli, folder, template, name, monkeypatch):
    """Each template is a project that runs as it is, and leaves doctor nothing to fix."""
    result = cli("init", "demo", "--template", template)
    assert result.code == 0
    assert "  python -m pytest      (the tests; once before: pip install pytest)" in result.err.splitlines()
    demo = folder / "demo"
    assert {".gitignore", "mainspring.toml", "tests"} <= {path.name for path in demo.iterdir()}
    settings = tomllib.loads((demo / "mainspring.toml").read_text())
    registry = Registry.load(settings["project"]["automations"], demo)
    assert registry.problems == []
    assert name in registry.automations
    monkeypatch.chdir(demo)
    assert cli("doctor").code == 0, cli("doctor").out
    (demo / "tests" / "test_effect.py").write_text(EFFECT_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"],
        cwd=demo,
        env={**os.environ, "PYTHONPATH": str(Path(mainspring.__file__).parent.parent), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert cli("effects", "list", "--json").json == [], "the test used the store of the project"


def test_trigger_that_the_scripts_file_displays_can_be_used(cli, folder):
    """Without its #, below a script."""
    cli("init")
    lines = [
        line[4:].partition("  ")[0]
        for line in (folder / "scripts.toml").read_text().splitlines()
        if line.startswith("#   ")
    ]
    (folder / "scripts.toml").write_text("\n".join(["[script.NAME]", 'cmd = "true"', *lines]))
    scripts, problems = load_scripts(folder / "scripts.toml")
    assert problems == []
    assert list(scripts[0].definition.triggers) == ["files"]


def test_init_overwrites_nothing(cli, folder):
    """One file in the way: nothing at all is written."""
    (folder / "scripts.toml").write_text("# mine\n")
    result = cli("init")
    assert result.code == 8
    assert "scripts.toml" in result.err
    assert [path.name for path in folder.iterdir()] == ["scripts.toml"]


def test_init_in_a_repository_keeps_its_files(cli, folder):
    """A folder with a .gitignore and tests of its own is where most projects begin."""
    (folder / ".gitignore").write_text("mine\n")
    (folder / "conftest.py").write_text("")
    result = cli("init")
    assert result.code == 0
    assert ".gitignore exists and was kept. Its template: .mainspring/" in result.err
    assert (folder / ".gitignore").read_text() == "mine\n"
    assert (folder / "automations" / "hello.py").exists()
    assert "mainspring add script" in cli("init").err


def test_project_has_a_store_of_its_own(cli, folder, monkeypatch):
    """In its folder, kept out of git, in the environment development."""
    monkeypatch.delenv("MAINSPRING_STORE_URL")
    cli("init", "demo")
    monkeypatch.chdir(folder / "demo")
    found = cli("status", "--json").json
    assert found["environment"] == "development"
    assert found["store"].startswith(str(folder / "demo" / ".mainspring"))
    assert ".mainspring/" in (folder / "demo" / ".gitignore").read_text()


def test_add_script_is_read_back_as_given(cli, folder):
    """Awkward words and names survive; what was there stays."""
    cli("init")
    words = ["./back up.sh", 'say "hi"', "C:\\x", "ü\t\x7f", "--every"]
    assert cli("add", "script", "back.up", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--", *words).code == 0
    assert cli("add", "script", "two", "--every", "1m", "--", "true").code == 0
    text = (folder / "scripts.toml").read_text()
    assert text.startswith("# Scripts")
    tables = tomllib.loads(text)["script"]
    assert tables["back.up"] == {"cmd": words, "cron": "0 3 * * *", "tz": "Europe/Berlin"}
    registry = Registry.load(["scripts.toml"], folder)
    assert registry.problems == []
    assert set(registry.automations) == {"back.up", "two"}


def test_add_refuses_a_name_that_is_taken_and_options_that_cannot_be(cli, folder):
    """Nothing is written then."""
    cli("init")
    cli("add", "script", "one", "--", "true")
    before = (folder / "scripts.toml").read_text()
    assert cli("add", "script", "one", "--", "false").code == 8
    assert cli("add", "script", "two", "--every", "soon", "--", "true").code == 2
    assert cli("add", "script", "two").code == 2
    assert (folder / "scripts.toml").read_text() == before


def test_add_workflow_loads_and_is_never_overwritten(cli, folder):
    """A file to begin from."""
    cli("init")
    assert cli("add", "workflow", "ship-it").code == 0
    registry = Registry.load(["automations/*.py"], folder)
    assert registry.problems == []
    assert "ship-it" in registry.automations
    assert cli("add", "workflow", "ship-it").code == 8


def test_add_outside_of_a_project_states_how_to_make_one(cli):
    """Nothing is guessed."""
    result = cli("add", "workflow", "x")
    assert result.code == 2
    assert "mainspring init" in result.err


CONFIGS = {
    "[project]\nautomations = []\n": '[project]\nautomations = ["scripts.toml"]\n',
    '[project]\nname = "x"\n': '[project]\nautomations = ["scripts.toml"]\nname = "x"\n',
    '# mine\n[store]\nurl = "s.db"\n': '[project]\nautomations = ["scripts.toml"]\n\n# mine\n[store]\nurl = "s.db"\n',
    '[project]\nautomations = ["a/*.py"]  # all\n': '[project]\nautomations = ["a/*.py", "scripts.toml"]  # all\n',
    '[project]\nautomations = [\n  "a/*.py",\n]\n\n[up]\n': '[project]\nautomations = [\n  "a/*.py", "scripts.toml"]\n\n[up]\n',
    '[project]\nautomations = ["scripts.toml"]\n': '[project]\nautomations = ["scripts.toml"]\n',
}


@pytest.mark.parametrize("config", CONFIGS)
def test_add_names_the_file_in_the_configuration(cli, folder, config):
    """Whatever else stands there stays as it is."""
    (folder / "a").mkdir()
    (folder / "a" / "x.py").write_text("")
    (folder / "mainspring.toml").write_text(config)
    assert cli("add", "script", "x", "--", "true").code == 0
    assert (folder / "mainspring.toml").read_text() == CONFIGS[config]


def test_add_states_what_it_cannot_write(cli, folder):
    """A comment within the list would swallow the new entry."""
    config = '[project]\nautomations = [\n  "a.py" # the one\n]\n'
    (folder / "a.py").write_text("")
    (folder / "mainspring.toml").write_text(config)
    result = cli("add", "script", "x", "--", "true")
    assert result.code == 0
    assert "is not in project.automations" in result.err
    assert (folder / "mainspring.toml").read_text() == config


def test_add_script_leaves_a_script_that_runs_and_states_what_to_type(cli, folder):
    """The printed next command reaches a working thing."""
    cli("init")
    result = cli("add", "script", "backup", "--cron", "0 3 * * *", "--", "./backup.sh")
    assert "starts every day at 03:00 (UTC)" in result.out
    assert "backup.sh: created, executable" in result.out
    (typed,) = [line.split("(")[0].split() for line in result.err.splitlines() if line.startswith("  mainspring run")]
    assert cli(*typed[1:]).code == 0
    assert cli("runs", "list", "--name", "backup", "--json").json[0]["state"] == "succeeded"


def test_add_script_makes_a_file_executable_and_touches_no_other(cli, folder):
    """One that is there keeps its text; a program of the machine is left alone."""
    cli("init")
    (folder / "mine.sh").write_text("#!/bin/sh\nexit 0\n")
    assert "mine.sh: made executable" in cli("add", "script", "mine", "--", "./mine.sh").out
    assert (folder / "mine.sh").read_text() == "#!/bin/sh\nexit 0\n"
    assert "Give it a schedule" in cli("add", "script", "other", "--", "../outside.sh").err
    assert not (folder.parent / "outside.sh").exists()
    assert cli("run", "mine").code == 0
