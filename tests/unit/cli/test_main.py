"""The entry: commands, flags, errors and exit codes."""

import msgspec
import pytest

from mainspring import __version__
from mainspring.cli.main import run_command_line
from tests.unit.cli.conftest import BACKUP


def test_bare_call_outside_a_project_displays_four_ways_to_start(cli):
    """Without a configuration and a store nothing is made; four commands are offered."""
    result = cli()
    assert result.code == 0
    assert result.out.count("\n  mainspring ") == 4


def test_bare_call_inside_a_project_prints_the_status(cli, stage):
    """The verdict, in one sentence."""
    result = cli()
    assert (result.code, result.out) == (0, "✓ Healthy: 2 automations, 1 worker, 0 running.\n")


def test_version_is_one_line(cli):
    """Both forms, and as JSON."""
    assert cli("version").out == cli("--version").out == f"mainspring {__version__}\n"
    assert cli("version", "--json").json == {"version": __version__}


@pytest.mark.parametrize(
    ("args", "near"), [(["rnus"], "'runs'"), (["runs", "lst"], "'list'"), (["db", "bckup"], "'backup'")]
)
def test_unknown_command_displays_the_nearest(cli, args, near):
    """A slip is a usage error that names what was meant, on every floor of the tree."""
    result = cli(*args)
    assert result.code == 2
    assert near in result.err
    assert result.out == ""


def test_global_flags_are_before_or_after_the_command(cli, stage):
    """The same flag works in both places."""
    stage.start()
    assert cli("--json", "runs", "list").json == cli("runs", "list", "--json").json != []


DEEP = "[" * 10_000 + "]" * 10_000
ANY_ARGUMENT = "import mainspring as ms\nfrom typing import Any\n\n@ms.task\ndef take(x: Any) -> int:\n    return 1\n"


@pytest.mark.parametrize("argument", ["@deep.json", f'{{"x": {DEEP}}}'])
def test_too_deep_json_is_no_fault_of_ours(cli, folder, argument):
    """It is reported with its depth, as an argument that does not fit."""
    (folder / "deep.json").write_text(f'{{"x": {DEEP}}}')
    (folder / "take.py").write_text(ANY_ARGUMENT)
    result = cli("run", "-m", "take.py", "take", argument)
    assert result.code == 2
    assert "10,001 levels deep" in result.err


def test_too_deep_word_is_no_fault_of_ours(cli, folder, stage):
    """In words, and in values of other commands, too."""
    (folder / "take.py").write_text(ANY_ARGUMENT)
    result = cli("run", "-m", "take.py", "take", f"x={DEEP}")
    assert result.code == 2
    assert "x: expected Any" in result.err
    run = stage.start()
    result = cli("runs", "signal", run, "go", DEEP)
    assert result.code == 2
    assert "10,000 levels deep" in result.err


@pytest.mark.parametrize("length", [201, 250, 256, 5000])
def test_name_of_a_store_that_is_too_long_is_reported(cli, length):
    """Before anything is made: it is not a matter of rights."""
    for args in (["status"], ["db", "migrate"], ["runs", "list"]):
        result = cli("--store", "a" * length, *args)
        assert result.code == 2
        assert f"has {length} bytes, at most 200 are possible" in result.err


def test_longest_store_name_works_for_its_companion_files(cli, folder):
    """Backups and what a restore keeps aside have longer names than the store."""
    name = "a" * 197 + ".db"
    for args in (["db", "migrate", "--create"], ["db", "backup", "b"], ["db", "restore", "b", "-y"], ["status"]):
        assert cli("--store", name, *args).code in (0, 9), args


def test_number_of_threads_has_an_end(cli, monkeypatch):
    """A slip of the pen is no setting."""
    monkeypatch.setenv("MAINSPRING_WORKER_THREADS", "1000000")
    result = cli("status")
    assert result.code == 2
    assert "MAINSPRING_WORKER_THREADS" in result.err
    assert "1000" in result.err


def test_error_is_one_object_with_json(cli, stage):
    """Programs read code, message, next step, whether to try again, and where it is explained; stdout stays empty."""
    result = cli("runs", "show", "r_none", "--json")
    assert (result.code, result.out) == (3, "")
    found = msgspec.json.decode(result.err)
    assert found["code"] == "not_found"
    assert found["next"] == "See: mainspring runs list"
    assert found["retryable"] is False
    assert found["docs"].endswith("#not_found")


def test_usage_error_is_an_object_too(cli):
    """Also what fails while the words are parsed."""
    result = cli("runs", "list", "--json", "--nope")
    assert result.code == 2
    assert msgspec.json.decode(result.err)["code"] == "usage"


def test_error_has_its_cause_and_fix(cli, stage):
    """The message, then the hint, on stderr."""
    assert cli("runs", "show", "r_none").err == "error: there is no run r_none\nSee: mainspring runs list\n"


def test_unexpected_error_is_code_1_and_displays_its_place_with_v(cli, monkeypatch):
    """A fault of our own is reported as one; -v adds the traceback."""

    def broken(*args, **kwargs):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("mainspring.cli.status.status_command.evaluate_status", broken)
    monkeypatch.setattr("mainspring.cli.context.Invocation.read", broken)
    assert cli("status").code == 1
    result = cli("status", "-v")
    assert "Traceback" in result.err
    assert "ZeroDivisionError: oops" in result.err


def test_wrong_configuration_ends_with_2(cli, monkeypatch):
    """The key, where it was set, and the nearest known one."""
    monkeypatch.setenv("MAINSPRING_STORE_URLL", "x")
    result = cli("status")
    assert result.code == 2
    assert "Did you mean MAINSPRING_STORE_URL?" in result.err


def test_fields_choose_what_json_prints(cli, stage):
    """--fields means JSON with these fields; an unknown one shows the nearest."""
    stage.start(BACKUP)
    assert [set(row) for row in cli("runs", "list", "--fields", "id,state").json] == [{"id", "state"}]
    result = cli("runs", "list", "--fields", "stte")
    assert result.code == 3
    assert "state" in result.err


def test_quiet_leaves_hints_out(cli, stage):
    """Data stays, what only helps a person goes."""
    assert "store " in cli("status").err
    assert cli("status", "--quiet").err == ""


def test_env_chooses_the_environment(cli, folder):
    """Another environment has another store."""
    (folder / "mainspring.toml").write_text('[project]\nname = "x"\n')
    cli("db", "migrate", "--create", "--env", "staging")
    assert cli("status", "--json", "--env", "staging").json["environment"] == "staging"


@pytest.mark.parametrize("kind", ["folder", "text"])
def test_store_of_another_kind_is_refused_and_unchanged(tmp_path, kind, capsys):
    """A folder or a text file named as the store is a mistake of usage; nothing is made beside it."""
    place = tmp_path / "inner" / "thing"
    place.parent.mkdir()
    if kind == "folder":
        place.mkdir()
    else:
        place.write_text("not a database, but somebody's notes " * 40)
    before = sorted(str(p) for p in place.parent.rglob("*"))
    for words in (["runs", "list"], ["db", "migrate"]):
        assert run_command_line([*words, "--store", str(place)]) == 2
        assert "the store is" in capsys.readouterr().err
    assert sorted(str(p) for p in place.parent.rglob("*")) == before


def test_store_that_is_only_being_made_is_no_store_yet(tmp_path, capsys):
    """An empty file is what a starting process leaves for a moment: an empty answer would be wrong soon."""
    place = tmp_path / "s.db"
    place.touch()
    for words in (["workers", "list", "--json"], ["runs", "show", "@last"]):
        assert run_command_line([*words, "--store", str(place)]) == 2
        assert "only an empty file" in capsys.readouterr().err


def test_error_does_not_repeat_a_word_of_any_length(cli, stage):
    """The message stays readable, and says how much is missing; in JSON too."""
    for more in ((), ("--json",)):
        result = cli("auto", "show", "x" * 10_000, *more)
        assert result.code == 3
        assert "unknown automation 'xxxx" in result.err
        assert "characters]" in result.err
        assert len(result.err) < 1_500
