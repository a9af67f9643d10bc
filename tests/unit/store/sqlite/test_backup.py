"""Copies that are known to be good."""

import os

import apsw
import pytest

from mainspring.domain.errors import NotFoundError, StoreError, StoreUnavailableError
from mainspring.store.base import StoreBrokenError
from mainspring.store.sqlite import backup
from mainspring.store.sqlite.backup import back_up, verify
from tests.unit.store.sqlite.stores import START_AT, do, open_database, starting


@pytest.fixture
def store(tmp_path):
    database = open_database(tmp_path / "state.db")
    for n in range(20):
        do(database, starting(f"r{n}"))
    yield database
    database.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "backups"


def test_a_backup_of_a_store_in_use_is_one_good_private_file(store, folder):
    """Written while the store is open, checked, named by its instant, with nothing beside it."""
    made = back_up(store.path, folder, now=START_AT)
    assert made.path.name == "state-20231114T221320000Z.db"
    assert [path.name for path in folder.iterdir()] == [made.path.name]
    assert made.rows["runs"] == 20
    assert made.size == made.path.stat().st_size
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert verify(made.path) == made.rows
    do(store, starting("later"))
    assert verify(made.path)["runs"] == 20


def test_only_the_newest_backups_are_kept(store, folder):
    """Older copies of this store go; other files, and other stores' copies, stay."""
    folder.mkdir()
    (folder / "notes.db").write_text("")
    (folder / "other-20200101T000000000Z.db").write_text("")
    made = [back_up(store.path, folder, now=START_AT + n * 1000, keep=2) for n in range(4)]
    assert made[3].removed == (made[1].path,)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["notes.db", "other-20200101T000000000Z.db", made[2].path.name, made[3].path.name]
    )


@pytest.mark.parametrize("at", [0, 60, 4096, 8192])
def test_a_damaged_backup_is_refused(store, folder, at):
    """Bytes changed in the header or in a page are found by reading it all."""
    made = back_up(store.path, folder, now=START_AT)
    with made.path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 60)
    with pytest.raises(StoreError):
        verify(made.path)


def test_a_cut_off_missing_or_foreign_backup_is_refused(store, folder, tmp_path):
    """Each says what it is."""
    made = back_up(store.path, folder, now=START_AT)
    os.truncate(made.path, made.size // 2)
    with pytest.raises(StoreBrokenError, match="damaged"):
        verify(made.path)
    with pytest.raises(NotFoundError, match="no such backup"):
        verify(tmp_path / "none.db")
    foreign = tmp_path / "photos.db"
    apsw.Connection(str(foreign)).execute("create table photos (x)").connection.close()
    with pytest.raises(StoreError, match="not a backup of a store"):
        verify(foreign)


def test_a_backup_that_does_not_check_out_is_not_left_behind(store, folder, monkeypatch):
    """It gets its name only after it was verified."""
    monkeypatch.setattr(backup, "verify", lambda path: {"runs": 19})
    with pytest.raises(StoreBrokenError, match="runs: 20 rows, copy 19"):
        back_up(store.path, folder, now=START_AT)
    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_created_is_reported(store, tmp_path):
    """The message names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        back_up(store.path, tmp_path / "file" / "sub", now=START_AT)
