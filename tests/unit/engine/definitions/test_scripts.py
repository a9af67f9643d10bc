"""Scripts in TOML: each table stands alone."""

import os

import pytest

from mainspring.engine.body.programs import build_program
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.scripts import load_scripts
from mainspring.store.commands.runs import ClaimedRun


@pytest.fixture
def load(tmp_path):
    def load(text: str):
        path = tmp_path / "scripts.toml"
        path.write_text(text)
        return load_scripts(path)

    return load


def test_script_table_becomes_an_automation(load, tmp_path):
    """The command, its folder, environment, schedule and policy are data."""
    scripts, problems = load(
        '[script.backup]\ncmd = "./backup.sh --all"\ncron = "0 3 * * *"\ntz = "Europe/Berlin"\n'
        'cwd = "sub"\nenv = {PORT = 8080}\nretry = 3\nproduces = "/b/{slot:%F}.gz"\n'
    )
    assert problems == []
    definition = scripts[0].definition
    assert definition.name == "backup"
    assert definition.command == ["./backup.sh", "--all"]
    assert definition.cwd == str(tmp_path / "sub")
    assert definition.env == {"PORT": "8080"}
    assert definition.schedules[0].cron == "0 3 * * *"
    assert scripts[0].retry is not None
    assert scripts[0].retry.attempts == 3


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[script.bad]", "no cmd"),
        ('[script.bad]\ncmd = "a | b"', "only a shell"),
        ('[script.bad]\ncmd = "x"\ncron = "0 0 30 2 *"', "never fires"),
        ('[script.bad]\ncmd = "x"\ntimout = "1s"', "timout"),
        ('[script.bad]\ncmd = "x"\nenv = {A = true}', "env must be"),
        ('[script.bad]\ncmd = "x"\ncwd = 3', "cwd=3"),
        ('[script.bad]\ncmd = "x"\ntitle = "{day}"', "day"),
        ('[script]\nbad = "x"', "no cmd"),
        ('[script."a b"]\ncmd = "x"', "is not a name"),
        ('[scirpt.bad]\ncmd = "x"', "unknown table"),
    ],
)
def test_bad_table_is_a_problem_and_the_others_load(load, table, sentence):
    """The problem names file and table and how to fix it."""
    good = '[script.good]\ncmd = "x"\n' if not table.startswith("[script]") else 'good.cmd = "x"\n'
    scripts, problems = load(f"{table}\n{good}")
    assert [script.name for script in scripts] == ["good"]
    assert len(problems) == 1
    assert sentence in problems[0].what
    assert "scripts.toml" in problems[0].where
    assert problems[0].how


@pytest.mark.parametrize("content", [b"[script", b"\xff\xfe", b"script = 3"])
def test_file_that_cannot_be_read_is_one_problem(tmp_path, content):
    """Broken TOML, bad text and a wrong shape are said once."""
    path = tmp_path / "scripts.toml"
    path.write_bytes(content)
    scripts, problems = load_scripts(path)
    assert scripts == []
    assert len(problems) == 1
    assert os.fspath(path) in problems[0].where


def test_folder_of_a_script_is_no_part_of_its_input(load, tmp_path):
    """A project may move to another folder while a run continues: what its command was given is the same."""
    given = []
    for place in ("old", "new"):
        scripts, _ = load(f'[script.where]\ncmd = "pwd"\ncwd = "{place}"\n')
        (tmp_path / place).mkdir()
        registry = Registry()
        registry.add(scripts[0])
        values = (
            "r1",
            "where",
            "script",
            1,
            1,
            True,
            0,
            0,
            1,
            1,
            None,
            "json",
            b"{}",
            "default",
            0,
            *[None] * 6,
            0,
            None,
        )
        call = build_program(ClaimedRun(*values), registry, b"{}").single()
        given.append(call.input)
        assert str(tmp_path / place) not in call.input.decode()
    assert given[0] == given[1]
