"""Backups of SQLite files: consistent, verified, complete or absent, and safe to repeat."""

import errno
import os
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from mainspring.actions import backup
from mainspring.actions.files import FileActionError, FileUnavailableError, PathOutsideRootError
from mainspring.domain.errors import ConfigError, DefinitionError
from mainspring.store import failpoints
from mainspring.store.sqlite.migrate import APPLICATION_ID


def make_database(path: Path, rows: int = 500, *, journal: str = "wal") -> Path:
    with closing(apsw.Connection(os.fspath(path))) as raw:
        raw.pragma("journal_mode", journal)
        raw.execute('create table orders (id integer primary key, note text); create table "Odd \'""na me" (a)')
        raw.execute("create virtual table notes using fts5(text); insert into notes values ('a note')")
        with raw:
            raw.executemany("insert into orders (note) values (?)", (("x" * 100,) for _ in range(rows)))
    return path


def rows_of(path: Path) -> int:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as raw:
        return int(raw.execute("select count(*) from orders").get)


def listed(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "orders.db")


def test_backup_is_one_file_that_has_the_rows_of_each_table(database, tmp_path):
    """The copy needs no write-ahead log, and only its owner may read it."""
    made = backup.sqlite(database, to=tmp_path / "to" / "a.db", make_folders=True)
    path = made.file.as_path()
    assert made.is_new
    assert made.tables["orders"] == rows_of(path) == 500
    assert made.tables["Odd '\"na me"] == 0
    assert "sqlite_sequence" not in made.tables
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[18:20] == b"\x01\x01"
    assert listed(path.parent) == ["a.db", "a.db.backup.json"]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_backup_is_consistent_while_another_program_writes(tmp_path, journal, monkeypatch):
    """The writer commits between the count and the copy; the backup has the rows of one instant."""
    monkeypatch.setattr("mainspring.actions.backup.sqlite_backup._PAGES_PER_STEP", 1)
    database = make_database(tmp_path / "orders.db", 2_000, journal=journal)
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        with closing(apsw.Connection(str(database))) as raw:
            raw.set_busy_timeout(60_000)
            while not stop.wait(0.005):  # without a pause, a reader of a file without a log seldom gets its turn
                raw.execute("insert into orders (note) values ('new')")
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        made = backup.sqlite(database, to=tmp_path / "a.db")
    finally:
        stop.set()
        writer.join()
    assert made.tables["orders"] == rows_of(tmp_path / "a.db") > 2_000


def test_second_call_returns_the_first_backup_although_the_database_has_changed(database, tmp_path):
    """A name is one backup: a retry of the step does not replace it."""
    first = backup.sqlite(database, to=tmp_path / "a.db")
    with closing(apsw.Connection(str(database))) as raw:
        raw.execute("delete from orders")
    second = backup.sqlite(str(database), to=tmp_path / "a.db")
    assert (second.is_new, second.tables, second.created) == (False, first.tables, first.created)
    assert second.file == first.file
    assert first.created <= datetime.now(UTC)


def test_names_of_any_bytes_are_backed_up(database, tmp_path):
    """The folder and the name may be no UTF-8."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    made = backup.sqlite(database, to=folder / os.fsdecode(b"b\xff.db"), make_folders=True)
    assert made.file.as_path().stat().st_size == made.file.size
    odd = made.file.as_path().rename(folder / os.fsdecode(b"c\xff.db"))
    with pytest.raises(backup.BackupError, match="cannot open a path that is not UTF-8"):
        backup.sqlite(odd, to=tmp_path / "c.db")


def test_damaged_backup_and_other_files_are_never_replaced(database, tmp_path):
    """The error says which of the three it is."""
    to = tmp_path / "a.db"
    backup.sqlite(database, to=to)
    other = make_database(tmp_path / "other.db", 1)
    with pytest.raises(backup.BackupError, match=r"is a backup of .*orders\.db, and not of .*other\.db"):
        backup.sqlite(other, to=to)
    with to.open("r+b") as file:
        file.seek(5_000)
        file.write(b"rot")
    damaged = to.read_bytes()
    with pytest.raises(backup.BackupError, match="is damaged: its content is not that of its record"):
        backup.sqlite(database, to=to)
    assert to.read_bytes() == damaged
    (tmp_path / "mine.db").write_text("my file")
    with pytest.raises(backup.BackupError, match="no record says that it is a backup"):
        backup.sqlite(database, to=tmp_path / "mine.db")
    assert (tmp_path / "mine.db").read_text() == "my file"


def test_damaged_database_gives_no_backup(tmp_path):
    """A backup of a damaged file would replace good ones in time."""
    database = make_database(tmp_path / "orders.db", 5_000, journal="delete")
    with database.open("r+b") as file:
        file.seek(200_000)
        file.write(b"\xff" * 4_096)
    with pytest.raises(backup.BackupError, match=r"in .*orders\.db") as refused:
        backup.sqlite(database, to=tmp_path / "to" / "a.db", make_folders=True)
    assert refused.value.hint
    assert listed(tmp_path / "to") == []


@pytest.mark.parametrize("place", ["files.written", "files.published", "write"])
def test_full_disk_leaves_nothing_behind(database, tmp_path, monkeypatch, place):
    """At each place: while the pages are written, and at each of both names."""
    to = tmp_path / "to"
    to.mkdir()
    if place == "write":

        def fill(*arguments: object) -> None:
            raise apsw.FullError

        monkeypatch.setattr("mainspring.actions.backup.sqlite_backup._verify", fill)
    else:
        passed = []

        def hit(name: str) -> None:
            passed.append(name)
            if name == place and passed.count(place) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")

        failpoints.install(hit)
    try:
        with pytest.raises(FileUnavailableError, match=r"(?i)disk is full|no space left") as full:
            backup.sqlite(database, to=to / "a.db")
    finally:
        failpoints.install(None)
    assert full.value.hint
    assert listed(to) == ([] if place != "files.published" else ["a.db", "a.db.backup.json"])
    monkeypatch.undo()
    assert backup.sqlite(database, to=to / "a.db").is_new == (place != "files.published")


def test_locked_database_is_transient(database, tmp_path, monkeypatch):
    """Another program has the file for itself; the retry policy of the step decides."""
    with closing(apsw.Connection(str(database))) as raw:
        raw.pragma("locking_mode", "exclusive")
        raw.execute("begin exclusive; insert into orders (note) values ('x')")
        with pytest.raises(backup.BackupUnavailableError, match="it is locked") as locked:
            backup.sqlite(database, to=tmp_path / "a.db", timeout="10ms")
    assert "fuser" in str(locked.value.hint)
    assert not (tmp_path / "a.db").exists()


def test_backup_whose_time_is_over_stops(database, tmp_path):
    """Also in the middle of a count, and nothing remains."""
    make_database(tmp_path / "large.db", 50_000)
    with pytest.raises(backup.BackupUnavailableError, match="it took too long"):
        backup.sqlite(tmp_path / "large.db", to=tmp_path / "to" / "a.db", timeout="1ms", make_folders=True)
    assert listed(tmp_path / "to") == []


def test_copy_with_other_rows_is_refused(database, tmp_path, monkeypatch):
    """The verification can fail: it does not compare the copy with itself."""
    counts = iter([{"orders": 500}, {"orders": 499}])
    monkeypatch.setattr("mainspring.actions.backup.sqlite_backup._count_rows", lambda connection: next(counts))
    with pytest.raises(backup.BackupError, match="other rows than the database"):
        backup.sqlite(database, to=tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()


def test_store_of_mainspring_has_its_own_backup(database, tmp_path):
    """The hint is the command."""
    with closing(apsw.Connection(str(database))) as raw:
        raw.pragma("application_id", APPLICATION_ID)
    with pytest.raises(ConfigError, match="is a store of Mainspring") as refused:
        backup.sqlite(database, to=tmp_path / "a.db")
    assert refused.value.hint == "mainspring db backup FILE"


def test_database_of_the_configuration_is_found_by_its_name(database, tmp_path, monkeypatch):
    """As for SQL actions; a name that is not configured and a file that does not exist are errors."""
    (tmp_path / "mainspring.toml").write_text(f'[databases]\nshop = "sqlite:///{database}"\n')
    monkeypatch.chdir(tmp_path)
    assert backup.sqlite("shop", to="a.db").tables["orders"] == 500
    assert not backup.sqlite(f"sqlite:///{database}", to="a.db").is_new
    with pytest.raises(ConfigError, match="'shpo'"):
        backup.sqlite("shpo", to="b.db")
    with pytest.raises(FileActionError, match=r"cannot read .*missing\.db"):
        backup.sqlite("missing.db", to="b.db")
    with pytest.raises(PathOutsideRootError):
        backup.sqlite(database, to="../b.db", root=tmp_path / "to")


def test_event_loop_is_not_blocked(database, tmp_path):
    """A call in an `async def` step is refused, with the line that works."""

    async def call() -> None:
        backup.sqlite(database, to=tmp_path / "a.db")

    import asyncio

    with pytest.raises(DefinitionError, match="would block the event loop"):
        asyncio.run(call())
