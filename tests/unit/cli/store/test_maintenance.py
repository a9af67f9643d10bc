"""db migrate, check, backup, restore, prune, shell."""

import contextlib
from pathlib import Path

import pytest

from mainspring.app.processes.supervisor import Supervisor
from mainspring.domain.states import RunState
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect as connect_to_server
from mainspring.store.postgres.migrate import migrate as migrate_server
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.sqlite.connection import connect as connect_to_file
from mainspring.store.sqlite.migrate import migrate as migrate_file
from mainspring.store.sqlite.migrate import migrations
from tests.contract.store.process import finish
from tests.later_version import later_version
from tests.unit.cli.conftest import Stage


def test_migrate_makes_the_store_once(cli, store_path):
    """A new store, then nothing to do."""
    assert cli("db", "migrate").code == 2
    assert not store_path.exists()
    assert cli("db", "migrate", "--create", "--json").json["created"] is True
    assert store_path.exists()
    assert cli("db", "migrate", "--json").json["created"] is False


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, folder, store_path, monkeypatch):
    """A new store of this version, in a file and on a server."""
    if request.param == "sqlite":
        store_path.parent.mkdir()
        with contextlib.closing(connect_to_file(store_path)) as connection:
            migrate_file(connection)
        url = str(store_path)
    else:
        url = request.getfixturevalue("postgres").new_store()
        with connect_to_server(read_address(url)) as connection:
            migrate_server(connection, read_address(url))
    monkeypatch.setenv("MAINSPRING_STORE_URL", url)
    return url


@pytest.fixture
def older(url):
    """A store of the form before this version's; yields the number of that form and of this version's."""
    with later_version():
        yield [number for number, *_ in migrations()][-2:]


@pytest.fixture
def development_store(url):
    """A store as development versions made it, whose migrations had other numbers."""
    marks = (
        "delete from meta where key = 'first_migration'",
        "update meta set value = '0032_loss_endings' where key = 'schema'",
    )
    if url.startswith("postgresql"):
        with connect_to_server(read_address(url)) as connection:
            connection.execute("select set_config('search_path', $1, false)", (read_address(url).schema,))
            for mark in marks:
                connection.execute(mark)
    else:
        with contextlib.closing(connect_to_file(Path(url))) as connection:
            for mark in (*marks, "pragma user_version = 32"):
                connection.execute(mark)


def test_store_of_a_development_version_is_refused_by_every_command(cli, development_store):
    """What it is, where it is, and what can be done; nothing in it is read or changed."""
    refused = "the store was made by a development version of Mainspring"
    commands = (["status"], ["runs", "list"], ["db", "check"], ["db", "migrate"], ["db", "backup"], ["up"])
    for args in commands:
        result = cli(*args)
        assert result.code == 1, args
        assert refused in result.err, args
        assert "To begin with a new store, move this one" in result.err, args
    assert [check for check in cli("doctor", "--json").json if check["name"] == "store" and refused in check["text"]]


def test_store_of_an_older_form_is_migrated_on_request(cli, older):
    """Anyone who only looks says what to do and changes nothing; doing it is enough, and it was no new store."""
    has, required = older
    refused = f"the store has form {has}, this version needs {required}"
    for args in (["status"], ["runs", "list"], ["workers", "list"]):
        result = cli(*args)
        assert result.code == 1, args
        assert refused in result.err, args
        assert "Run: mainspring db migrate" in result.err, args
    assert [check for check in cli("doctor", "--json").json if check["name"] == "store" and refused in check["text"]]
    done = cli("db", "migrate", "--json")
    assert done.code == 0
    assert done.json["created"] is False
    assert done.json["form"].startswith(f"{required:04}_")
    assert cli("status").code == 0


def test_up_brings_a_store_of_an_older_form_to_its_own(cli, older, monkeypatch):
    """It need not be asked to: its processes would do so, and what it reads before them is of this version."""
    monkeypatch.setattr(Supervisor, "run", lambda _self, once: 0)
    assert cli("up").code == 0
    assert cli("db", "migrate", "--json").json["form"].startswith(f"{older[-1]:04}_")


def test_store_of_a_newer_version_is_refused(cli, store_path):
    """It is neither read nor changed; exit code 2 says to use the newer program."""
    import apsw

    cli("db", "migrate", "--create")
    connection = apsw.Connection(str(store_path))
    connection.pragma("user_version", 999)
    connection.close()
    for args in (["runs", "list"], ["db", "check"], ["db", "migrate"]):
        result = cli(*args)
        assert result.code == 2
        assert "999" in result.err


def _drop_header(data: bytearray) -> None:
    data[:100] = b"x" * 100


def _cut_off(data: bytearray) -> None:
    del data[len(data) // 2 :]


def _without_tables(data: bytearray) -> None:
    data[100:4096] = b"\xff" * 3996


@pytest.mark.parametrize("damage", [_drop_header, _cut_off, _without_tables])
def test_damaged_store_is_reported_by_every_command(cli, stage, store_path, damage):
    """db check says what is damaged and ends with 9; the others say what to do, and that it is no use to try again."""
    stage.store.close()
    data = bytearray(store_path.read_bytes())
    damage(data)
    store_path.write_bytes(data)
    result = cli("db", "check")
    assert result.code == 9
    assert "damaged" in result.out
    assert "db restore" in result.out
    (found,) = cli("db", "check", "--json").json
    assert found["damaged"]
    assert found["subjects"]
    for args in (["status"], ["runs", "list"], ["explain", "@last"], ["db", "migrate"], ["db", "backup"], ["up"]):
        result = cli(*args)
        assert result.code == 1, args
        assert result.err.startswith("error: the store's file is damaged\n"), args
        assert "mainspring db restore" in result.err
        answer = cli(*args, "--json").err
        assert '"store_damaged"' in answer
        assert '"retryable": false' in answer


def test_file_that_is_no_store_is_refused(cli, store_path):
    """A stray file is reported, not overwritten."""
    store_path.parent.mkdir(exist_ok=True)
    store_path.write_text("this is a letter, not a database, and it is long enough to be looked at" * 20)
    assert cli("runs", "list").code != 0
    assert cli("db", "migrate").code != 0
    assert store_path.read_text().startswith("this is a letter")


def test_check_finds_nothing_in_a_good_store_and_reports_what_is_wrong(cli, stage, monkeypatch):
    """0 when whole, 9 with findings."""
    assert cli("db", "check").code == 0
    from mainspring.store.maintenance.integrity import IntegrityFinding

    monkeypatch.setattr("mainspring.app.stores.backups.check_store", lambda *_: [IntegrityFinding("a gap", ("r_1",))])
    result = cli("db", "check", "--json")
    assert result.code == 9
    assert result.json[0]["what"] == "a gap"


def test_backup_writes_a_checked_copy_and_keeps_the_newest(cli, stage, folder):
    """The path is the data; of several copies the newest stay."""
    stage.start()
    first = cli("db", "backup", str(folder / "b")).out.strip()
    second = cli("db", "backup", str(folder / "b"), "--keep", "1").out.strip()
    assert first != second
    assert [str(path) for path in (folder / "b").iterdir()] == [second]


def test_restore_holds_until_all_is_decided(cli, store_path, folder):
    """Back up, end the runs, restore: nothing starts before each is decided and the store released."""
    stage = Stage(store_path)
    runs = [stage.start() for _ in range(3)]
    copy = cli("db", "backup", str(folder / "b")).out.strip()
    for _ in runs:
        stage.do(finish(stage.claim()))
    stage.store.close()

    assert cli("db", "restore", copy).code == 2
    result = cli("db", "restore", copy, "-y")
    assert "3 runs were unfinished" in result.out
    assert all(f"  mainspring db restore --decide {word}\n" in result.out for word in ("continue", "done", "cancel"))
    (act,) = [act for act in cli("audit-log", "list", "--json").json if act["verb"] == "restore"]
    assert (act["subject"], act["detail"]["from"]) == ("store:held", copy)
    assert cli("status").code == 9
    assert "on hold" in cli("explain", runs[0]).out
    assert {row["id"] for row in cli("db", "restore", "--undecided", "--json").json} == set(runs)
    assert cli("db", "restore", "--release").code == 8
    assert cli("db", "restore", "--decide", "done", "--run", runs[0], "-y").code == 0
    assert cli("db", "restore", "--decide", "cancel", "--name", "backup", "--dry-run").out.split() == runs[1:]
    assert cli("db", "restore", "--decide", "continue", "--state", "queued", "-y").code == 0
    assert cli("db", "restore", "--release").out == "The store is released.\n"
    stage = Stage(store_path)
    try:
        assert run_view(stage.store.reader, runs[0]).state is RunState.SUCCEEDED
        assert stage.claim().id == runs[1]
    finally:
        stage.store.close()


def test_restore_and_release_list_what_was_changed_after_the_backup(cli, stage, folder):
    """A flag that was killed since is on again, and no one would look for it."""
    cli("flags", "set", "mailer", "--share", "50%")
    copy = cli("db", "backup", str(folder / "b")).out.strip()
    cli("flags", "kill", "mailer")
    stage.store.close()
    for words in (("restore", copy, "-y"), ("restore", "--release")):
        printed = cli("db", *words).out
        assert "1 change after the backup: repeat them by hand:" in printed
        assert "kill flag:mailer" in printed


def test_backup_refuses_the_name_of_a_file_and_makes_no_folder_of_it(cli, stage, folder):
    """A copy has the time in its name; a folder that is called so takes it all the same."""
    result = cli("db", "backup", "ok.db")
    assert result.code == 2
    assert "ok.db is the name of a file" in result.err
    assert not (folder / "ok.db").exists()
    (folder / "ok.db").mkdir()
    assert cli("db", "backup", "ok.db").out.startswith("ok.db/")


def test_restore_takes_the_newest_backup_of_a_folder(cli, store_path, folder):
    """What `db backup FOLDER` was given is good for `db restore` too; where there is none for this store it says what is there."""
    Stage(store_path).store.close()
    made = [cli("db", "backup", str(folder / "b")).out.strip() for _ in range(2)]
    result = cli("db", "restore", str(folder / "b"), "-y")
    assert result.code == 0
    assert f"from {made[1]};" in result.out
    (folder / "b" / "other-20260105T030000000Z.db").touch()
    result = cli("--store", "another.db", "db", "restore", str(folder / "b"), "-y")
    assert result.code == 3
    assert "no backup of store 'another'" in result.err
    assert "(other, state)" in result.err
    assert cli("db", "restore", str(folder), "-y").code == 3


def test_restore_is_refused_while_a_process_uses_the_store(cli, stage, folder):
    """A live session is in the way."""
    copy = cli("db", "backup", str(folder / "b")).out.strip()
    result = cli("db", "restore", copy, "-y")
    assert result.code == 8
    assert "mainspring down" in result.err


@pytest.mark.parametrize("args", [[], ["x.db", "--release"], ["--undecided", "--release"]])
def test_restore_does_one_thing_at_a_time(cli, stage, args):
    """A file, or one of the flags."""
    assert cli("db", "restore", *args).code == 2


def test_prune_deletes_what_outlived_its_retention(cli, stage, monkeypatch):
    """First only told, then done."""
    run = stage.begin()
    stage.do(finish(run))
    monkeypatch.setenv("MAINSPRING_STORE_RETENTION__SUCCEEDED", "0s")
    assert cli("db", "prune", "--dry-run", "--json").json["would_delete"]["succeeded"] == 1
    assert cli("runs", "show", run.id).code == 0
    assert cli("db", "prune", "--json").json["deleted"] == 1
    assert cli("runs", "show", run.id).code == 3


def test_shell_without_sqlite3_is_reported(cli, stage, monkeypatch):
    """The program is not ours to bring."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert cli("db", "shell").code == 3
