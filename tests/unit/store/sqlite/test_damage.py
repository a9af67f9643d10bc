"""Damage of a store's file: anyone who meets it leaves a note beside it, and a whole check, or another file, takes the note away."""

import shutil

import pytest

from mainspring.app.processes.store_checks import IntegrityScan
from mainspring.domain.errors import StoreError
from mainspring.domain.integrity.store_finding import StoreFindingKind
from mainspring.store.base import StoreDamagedError
from mainspring.store.commands.automations import SetMeta
from mainspring.store.sqlite.backup import back_up
from mainspring.store.sqlite.check import check, check_table, list_tables
from mainspring.store.sqlite.damage import damage_found, read_damage, write_damage_note
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.restore import restore
from tests.unit.store.sqlite.stores import START_AT, StoppedClock, do, open_database, opening, starting


@pytest.fixture
def path(tmp_path):
    """A store in which the tables of runs fill some pages."""
    path = tmp_path / "state.db"
    database = open_database(path)
    do(database, opening())
    for number in range(200):
        do(database, starting(f"r_{number:03}"))
    database.close()
    return path


def spoil(path, table):
    """Flip bits in the first page of a table; its number stays."""
    database = open_database(path)
    page = database.connection.execute("select rootpage from sqlite_schema where name = ?", (table,)).get
    size = database.connection.pragma("page_size")
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 16)


def test_a_read_that_meets_damage_leaves_a_note(path):
    """Who found what, when; no one else has to read that page."""
    spoil(path, "runs")
    with pytest.raises(StoreDamagedError):
        SqliteReader(path).read_text("select count(*) from runs not indexed where input is not null")
    note = read_damage(path)
    assert "malformed" in note.what
    assert "process" in note.by
    (found,) = SqliteReader(path).findings()
    assert found.kind is StoreFindingKind.DAMAGED
    assert "mainspring db restore" in found.hint


def test_a_commit_that_meets_damage_leaves_a_note(path):
    """The process ends for it; the note stays."""
    spoil(path, "runs")
    database = open_database(path)
    with pytest.raises(StoreDamagedError):
        do(database, starting("r_new"))
    assert read_damage(path) is not None


def test_a_file_whose_start_was_overwritten_leaves_a_note(path):
    """It is no database any more, and was a store."""
    with path.open("r+b") as file:
        file.write(b"overwritten by something else")
    with pytest.raises(StoreDamagedError):
        open_database(path)
    assert "not a database" in read_damage(path).what


def test_a_backup_that_copies_damage_leaves_a_note(path, tmp_path):
    """Pages are copied unread; the check of the copy finds it."""
    spoil(path, "runs")
    with pytest.raises(StoreError, match="damaged"):
        back_up(path, tmp_path / "backups", now=START_AT)
    assert read_damage(path) is not None


def test_a_note_stays_until_the_whole_file_was_checked(path):
    """A second finding does not replace the first; a check without a finding removes it."""
    write_damage_note(path, "database disk image\nis malformed")
    write_damage_note(path, "something else")
    assert damage_found(path)[0].text == "the store's file is damaged: database disk image is malformed"
    assert check(path, least_free=0) == []
    assert read_damage(path) is None


def test_a_check_that_finds_damage_notes_it(path):
    """`db check` is a process like any other."""
    spoil(path, "runs")
    assert check(path, least_free=0)[0].damaged
    assert read_damage(path) is not None


def test_another_file_is_not_blamed(path, tmp_path):
    """The note names the file; one that took its place, by hand or by a restore, is not that file."""
    backup = back_up(path, tmp_path / "backups", now=START_AT).path
    write_damage_note(path, "malformed")
    shutil.copy(backup, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    assert read_damage(path) is None
    write_damage_note(path, "malformed")
    restore(backup, path, clock=StoppedClock(START_AT + 5))
    assert not path.with_name("state.db.damaged").exists()


def test_a_note_that_cannot_be_read_is_a_note(path):
    """A full disk may leave an empty one."""
    path.with_name("state.db.damaged").touch()
    assert "unknown damage" in damage_found(path)[0].text


def test_a_file_that_was_never_a_store_gets_no_note(tmp_path):
    """Only beside a store something is written."""
    other = tmp_path / "other.db"
    other.write_bytes(b"SQLite format 3\0" + b"\xff" * 4_000)
    with pytest.raises(StoreError):
        SqliteReader(other).read_text("select 1 from meta")
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]


def test_the_background_check_finds_damage_that_no_one_reads(path):
    """One table after the other, each in its turn; afterwards it begins again."""
    spoil(path, "runs")
    checking = IntegrityScan(path)
    tables = list_tables(path)
    found = dict(finding for finding in (checking.check_next() for _ in tables) if finding is not None)
    assert found.keys() == set(tables)
    assert [name for name, is_found in found.items() if is_found] == ["runs"]
    assert read_damage(path) is not None
    assert checking.check_next()[0] == tables[0]


def test_a_table_that_takes_too_long_is_broken_off_and_named(path, monkeypatch, caplog):
    """It is no finding; the log says once what checks it instead."""
    monkeypatch.setattr("mainspring.store.sqlite.check._STEPS_BETWEEN_CHECKS", 1)
    monkeypatch.setattr("mainspring.app.processes.store_checks.TABLE_TIMEOUT_S", -1.0)
    checking = IntegrityScan(path)
    for _ in range(2 * len(list_tables(path))):
        checking.check_next()
    assert (
        sum("table runs is too large" in message and "mainspring db check" in message for message in caplog.messages)
        == 1
    )
    assert read_damage(path) is None


def test_a_background_check_holds_up_no_writer(path):
    """It reads a snapshot."""
    database = open_database(path)
    for table in list_tables(path):
        assert check_table(path, table, within_s=10) == []
        do(database, SetMeta("work", table))
    database.close()
