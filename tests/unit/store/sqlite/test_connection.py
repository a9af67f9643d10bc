"""Opening good files, and refusing bad ones with a clear error."""

import os
import shutil
from pathlib import Path

import apsw
import pytest

from mainspring.domain.errors import StoreHeldError, StoreReadOnlyError, StoreUnavailableError, UnsafeSqliteError
from mainspring.store.base import StoreBrokenError
from mainspring.store.sqlite import connection
from mainspring.store.sqlite.connection import connect, prepare_folder, refuse_unsafe_sqlite

UNPRIVILEGED_UID = 65_534


@pytest.mark.parametrize(
    "version", ["3.51.3", "3.51.10", "3.52.0", "3.54.1", "4.0.0", "3.50.7", "3.50.8", "3.44.6", "3.44.9"]
)
def test_fixed_sqlite_is_accepted(version, tmp_path, monkeypatch):
    """The fix came with 3.51.3 and went back to two older series."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    connect(tmp_path / "x.db").close()
    assert (tmp_path / "x.db").exists()


@pytest.mark.parametrize("version", ["3.51.2", "3.51.0", "3.50.6", "3.49.9", "3.46.1", "3.45.7", "3.44.5", "3.7.0"])
def test_a_sqlite_that_could_damage_the_file_is_refused(version):
    """Two writers on such a library can reset the log under each other: it is never used."""
    with pytest.raises(UnsafeSqliteError, match=r"could damage(.|\n)*pip install"):
        refuse_unsafe_sqlite(version)


def test_connect_refuses_an_unsafe_library(tmp_path, monkeypatch):
    """The check stands before the file is touched."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.46.1")
    with pytest.raises(UnsafeSqliteError):
        connect(tmp_path / "x.db")
    assert list(tmp_path.iterdir()) == []


def test_new_file_is_durable_and_private(tmp_path):
    """WAL, FULL, incremental vacuum, no memory map; file and log are for this user alone."""
    path = tmp_path / "new" / "deep" / "x.db"
    prepare_folder(path)
    connection = connect(path)
    connection.execute("create table t (a)")
    settings = {
        name: connection.pragma(name)
        for name in (
            "journal_mode",
            "synchronous",
            "auto_vacuum",
            "mmap_size",
            "foreign_keys",
            "trusted_schema",
            "cell_size_check",
        )
    }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "auto_vacuum": 2,
        "mmap_size": 0,
        "foreign_keys": 0,
        "trusted_schema": 0,
        "cell_size_check": 1,
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("x.db-wal").stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    connection.close()
    again = connect(path)
    assert (again.pragma("synchronous"), again.pragma("auto_vacuum")) == (2, 2)
    again.close()


def test_a_reading_connection_cannot_write(tmp_path):
    """Readers are read-only twice: by how the file is opened and by setting."""
    path = tmp_path / "x.db"
    connect(path).execute("create table t (a)")
    reading = connect(path, read_only=True)
    with pytest.raises(apsw.ReadOnlyError):
        reading.execute("insert into t values (1)")
    reading.close()


def test_a_missing_file_or_folder_is_unavailable(tmp_path):
    """Nothing is made where nothing may be made."""
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        connect(tmp_path / "x.db", create=False)
    with pytest.raises(StoreUnavailableError, match="folder of the store does not exist"):
        connect(tmp_path / "no" / "x.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="folder of the store cannot be created"):
        prepare_folder(tmp_path / "file" / "sub" / "x.db")


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path):
    """A text file named as the store is neither read nor overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 200)
    before = path.read_bytes()
    with pytest.raises(StoreBrokenError, match=r"not a SQLite database(.|\n)*another file"):
        connect(path)
    assert path.read_bytes() == before


def test_a_locked_file_reports_that_another_program_holds_it(tmp_path, monkeypatch):
    """A database shell in exclusive mode is named as the cause, after a short wait."""
    monkeypatch.setattr(connection, "_BUSY_MS", 1)
    path = tmp_path / "x.db"
    shell = apsw.Connection(str(path))
    shell.execute(
        "pragma locking_mode = exclusive; pragma journal_mode = wal; begin exclusive; create table t (a)"
    ).fetchall()
    with pytest.raises(StoreHeldError, match="another program has locked the store"):
        connect(path)
    shell.close(True)


def _as_unprivileged(act) -> int:
    """Run `act` in a child without rights; return its exit code (0 = as expected)."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(UNPRIVILEGED_UID)
            os.setuid(UNPRIVILEGED_UID)
            act()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_read_only_file_or_folder_is_reported_as_read_only(target):
    """Neither a file nor a folder without the right to write becomes a half-open store."""
    folder = Path("/tmp") / f"mainspring-read-only-{target}-{os.getpid()}"  # above it all folders must be enterable
    folder.mkdir(mode=0o755)
    try:
        path = folder / "x.db"
        if target == "file":
            connect(path).execute("create table t (a)").connection.close(True)
            path.chmod(0o644)
            folder.chmod(0o777)

        def act():
            with pytest.raises(StoreReadOnlyError, match=r"is read-only(.|\n)*writable"):
                connect(path)

        assert _as_unprivileged(act) == 0
    finally:
        shutil.rmtree(folder)
