"""A store that does not exist is never green: looking at it is an error that names it, and creates nothing."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.errors import NoStoreError

READ_COMMANDS = (
    *(
        "status",
        "status --since 8h",
        "status --here",
        "test replay",
        "runs list",
        "auto list",
        "auto next --all",
        "failed list",
        "logs",
    ),
    *("incidents list", "monitors list", "monitors show silence", "triggers list", "queues list", "workers list"),
    *("locks list", "audit-log list", "audit-log verify", "notify log", "notify routes", "bulk list", "top"),
    *("db check", "db backup", "db prune", "db migrate", "down", "drain", "open", "explain @last", "auto pause x"),
    *("db move --to copy.db", "db move --undo -y", "db move-blobs --to s3://bucket/large"),
)


@pytest.mark.parametrize("words", READ_COMMANDS)
def test_a_mistyped_store_is_an_error(cli, store_path, words):
    """Exit code 2, as for what the configuration says wrongly: the path, how to create one, and nothing is made."""
    place = store_path.parent / "nonexistent" / "dir" / "x.db"
    result = cli("--store", str(place), *words.split())
    assert result.code == 2
    assert result.err.startswith(f"error: there is no store\nat {place}\nCreate one: mainspring up")
    assert not store_path.parent.exists()


def test_the_nearest_store_is_named(cli, stage, store_path):
    """One of a similar name beside it, else the one that is used where nothing names another."""
    assert f"There is one at {store_path}" in cli("--store", str(store_path.with_name("stat.db")), "status").err
    assert cli("status").code != 2


def test_a_bare_call_outside_a_project_states_how_to_start(cli, monkeypatch):
    """Nothing was named there."""
    monkeypatch.delenv("MAINSPRING_STORE_URL")
    assert cli().code == 0


def test_code_that_is_named_needs_no_store(cli, folder):
    """`-m` asks the code."""
    (folder / "jobs.py").write_text("import mainspring as ms\n@ms.task(every='1h')\ndef sync() -> None: ...\n")
    for words in (["auto", "list"], ["auto", "next", "--all"], ["auto", "show", "sync"]):
        assert cli(*words, "-m", "jobs.py").code == 0


def test_doctor_names_a_store_that_is_not_there(cli, store_path):
    """Where something named it; the usual place is where `up` will create one."""
    (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "store"]
    assert (check["state"], str(store_path) in check["text"]) == ("problem", True)


def test_init_reports_the_new_store(cli, store_path, caplog):
    """So that `status` answers before the first `up`; a second project on it learns that it was there."""
    assert cli("init", "one").code == 0
    assert f"created a new store at {store_path}" in caplog.text
    assert cli("status").code == 0
    assert f"the store is {store_path}, which existed before" in cli("init", "two").err


def test_run_and_exec_report_the_new_store(cli, folder, store_path, caplog):
    """Once."""
    (folder / "jobs.py").write_text("import mainspring as ms\n@ms.task\ndef sync() -> int:\n    return 1\n")
    assert cli("run", "-m", "jobs.py", "sync").code == 0
    assert cli("run", "-m", "jobs.py", "sync").code == 0
    assert caplog.text.count(f"created a new store at {store_path}") == 1


def test_commands_that_create_a_store_refuse_a_mistyped_one(cli, stage, folder, store_path):
    """Beside a store of a similar name another one is made by an act of its own; where there is none, `run` creates it."""
    (folder / "jobs.py").write_text("import mainspring as ms\n@ms.task\ndef sync() -> int:\n    return 1\n")
    typo = store_path.with_name("stat.db")
    for words in (["run", "-m", "jobs.py", "sync"], ["up"], ["dev"]):
        result = cli("--store", str(typo), *words)
        assert result.code == 2, result
        assert f"there is no store\nat {typo}\nThere is one at {store_path}" in result.err
        assert not typo.exists()
    assert f"mainspring --store {typo} db migrate --create" in result.err
    assert cli("--store", str(typo), "db", "migrate", "--create").code == 0
    assert cli("--store", str(typo), "run", "-m", "jobs.py", "sync").code == 0
    assert cli("--store", str(folder / "other.db"), "run", "-m", "jobs.py", "sync").code == 0


def test_an_app_creates_its_store_when_it_starts_something_and_not_before(tmp_path, caplog):
    """Neither by being made nor by an act on what cannot be there."""
    place = tmp_path / "nonexistent" / "x.db"
    app = ms.App(place)
    for act in (app.cancel("r_1"), app.signal("r_1", "go"), app.publish("paid", {})):
        with pytest.raises(NoStoreError, match="there is no store"):
            asyncio.run(act)
    assert not place.parent.exists()

    @ms.task
    def greet() -> str:
        return "hello"

    handle = asyncio.run(app.start(greet))
    assert asyncio.run(handle.status()) == "queued"
    assert f"created a new store at {place}" in caplog.text
    app.close()
