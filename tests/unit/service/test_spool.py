"""The spool as files: whole records, bounds, and what stays when the store goes away."""

import contextlib
import itertools
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.errors import StoreError, StoreUnavailableError
from mainspring.domain.states import RunState
from mainspring.service.spool import FileLock, Spool, _find_fault
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.runs import RunKey


def record(run: str, state: RunState = RunState.SUCCEEDED, key: str | None = None) -> RecordExecRun:
    return RecordExecRun(
        *(run, "a", "exec", 1, None, "exec", "json", b"{}", state, 1, 2),
        run_key=None if key is None else RunKey(key, "h"),
    )


class Shop:
    """Takes commands; `fault` is raised for one run."""

    def __init__(self, fault: Exception | Refused | None = None, at: str = "") -> None:
        self.fault = fault
        self.at = at
        self.runs: list[str] = []

    def __call__(self, command: Any) -> Any:
        if command.id == self.at and isinstance(self.fault, Exception):
            raise self.fault
        if command.id == self.at:
            return self.fault
        self.runs.append(command.id)
        return StartAnswer(command.id, created=True)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "deep" / "spool")


def test_record_is_private_and_whole(spool: Spool) -> None:
    """Only this user may read it; nothing half written is left beside it."""
    path = spool.write(record("r_1"), None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert os.listdir(spool.folder) == [path.name]


def test_failed_write_leaves_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in the middle leaves no part of a record."""

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        spool.write(record("r_1"), None)
    assert os.listdir(spool.folder) == []


def test_number_of_records_is_bounded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away for months does not fill the disk."""
    monkeypatch.setattr("mainspring.service.spool.MOST_RECORDS", 2)
    spool.write(record("r_1"), None)
    spool.write(record("r_2"), None)
    with pytest.raises(StoreError, match="2 records"):
        spool.write(record("r_3"), None)


def test_records_are_accepted_oldest_first(spool: Spool) -> None:
    """Ids sort by time, and so do the records."""
    for run in ("r_3", "r_1", "r_2"):
        spool.write(record(run), None)
    shop = Shop()
    imported = spool.take_in(shop)
    assert (shop.runs, imported.runs, imported.left, spool.names()) == (
        ["r_1", "r_2", "r_3"],
        ("r_1", "r_2", "r_3"),
        0,
        [],
    )


def test_store_that_becomes_unreachable_keeps_the_rest(spool: Spool) -> None:
    """At the first sign that the store is away the rest stays as it is, and the reason is reported."""
    for run in ("r_1", "r_2", "r_3"):
        spool.write(record(run), None)
    imported = spool.take_in(Shop(StoreUnavailableError("locked"), "r_2"))
    assert (imported.runs, imported.bad, imported.left, imported.why) == (("r_1",), (), 2, "locked")
    assert len(spool.names()) == 2


def test_record_that_has_an_owner_stays(spool: Spool) -> None:
    """What the store does not take yet waits, and the others pass it."""
    for run in ("r_1", "r_2"):
        spool.write(record(run), None)
    imported = spool.take_in(Shop(Refused("owned"), "r_1"))
    assert (imported.runs, imported.bad, imported.left) == (("r_2",), (), 1)
    assert spool.names() == ["r_1.run.json"]


def test_record_that_the_store_cannot_write_is_held(spool: Spool) -> None:
    """One that no store would take is put aside, not tried for ever."""
    for run in ("r_1", "r_2"):
        spool.write(record(run), None)
    imported = spool.take_in(Shop(StoreError("cannot be written"), "r_1"))
    assert (imported.runs, len(imported.bad), imported.left) == (("r_2",), 1, 0)
    assert spool.bad_names() == ["r_1.run.json.bad"]


def test_limits_leave_the_rest_for_later(spool: Spool) -> None:
    """Who has a command to run accepts some and continues."""
    for run in ("r_1", "r_2", "r_3"):
        spool.write(record(run), None)
    assert spool.take_in(Shop(), limit=1).left == 2
    assert spool.take_in(Shop(), within=-1).left == 2


def test_stale_parts_are_swept(spool: Spool) -> None:
    """What a killed writer left is deleted, what is being written now is not."""
    spool.write(record("r_1"), None)
    old, new = spool.folder / "r_0.1.part", spool.folder / "r_2.1.part"
    for part in (old, new):
        part.write_text("{")
    os.utime(old, (time.time() - 7200,) * 2)
    spool.take_in(Shop())
    assert (old.exists(), new.exists()) == (False, True)


def test_key_is_found_only_where_it_succeeded(spool: Spool) -> None:
    """A failure under a key does not use it up."""
    spool.write(record("r_1", RunState.FAILED, "k"), None)
    assert spool.succeeded("a", "k") is None
    spool.write(record("r_2", key="k"), None)
    assert (spool.succeeded("a", "k"), spool.succeeded("b", "k"), spool.succeeded("a", "l")) == ("r_2", None, None)


@pytest.mark.parametrize("name", ["l", "../../etc/x", "a b/c", "x" * 500, "ü\udcff"])
def test_lock_holds_whatever_its_name(spool: Spool, name: str) -> None:
    """A name is never a path; who holds it keeps others out until it is released."""
    lock = spool.lock(name)
    assert lock is not None
    (path,) = lock.files
    assert path.parent == spool.folder / "locks"
    assert spool.lock(name) is None
    other = spool.lock("other")
    assert other is not None
    other.release()
    lock.release()
    again = spool.lock(name)
    assert again is not None
    again.release()


def test_released_lock_is_free_although_a_child_has_it(spool: Spool) -> None:
    """What the command left running does not hold the lock for ever."""
    lock = spool.lock("l")
    assert lock is not None
    copy = os.dup(*lock.descriptors)
    lock.release()
    again = spool.lock("l")
    assert again is not None
    again.release()
    os.close(copy)


def test_folder_of_another_kind_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder is reported, and an absent folder simply holds nothing."""
    (tmp_path / "file").write_text("")
    assert Spool(tmp_path / "file").names() == []
    assert Spool(tmp_path / "none").bad_names() == []
    with pytest.raises(OSError, match="exists"):
        Spool(tmp_path / "file").write(record("r_1"), None)
    with pytest.raises(OSError, match="exists"):
        Spool(tmp_path / "file").lock("l")


def test_records_in_the_spare_folder_are_accepted_too(tmp_path: Path) -> None:
    """They were written while nothing could be made beside the store; new ones go to the usual place."""
    spare, spool = Spool(tmp_path / "spare"), Spool(tmp_path / "own", tmp_path / "spare")
    spare.write(record("r_2", key="k"), None)
    spool.write(record("r_1"), None)
    (tmp_path / "spare" / "r_3.run.json").write_text("{}")
    assert spool.succeeded("a", "k") == "r_2"
    imported = spool.take_in(Shop())
    assert (imported.runs, imported.bad) == (("r_1", "r_2"), (str(tmp_path / "spare" / "r_3.run.json.bad"),))
    assert (spool.names(), os.listdir(tmp_path / "own")) == ([], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give a file away")
@pytest.mark.parametrize(
    ("spool_of", "folder_of", "fix"),
    [
        (1, 65534, "sudo chown -R nobody {spool}"),
        (1, 54321, "sudo chown -R 54321 {spool}"),
        (0, 0, "chmod -R u+rwX {spool}"),
        (65534, 65534, "sudo -u nobody mainspring watch"),
        (54321, 54321, "sudo -u '#54321' mainspring watch"),
    ],
)
def test_fix_of_a_spool_that_cannot_be_read_gives_it_to_the_owner_of_its_folder(tmp_path, spool_of, folder_of, fix):
    """Not to the one who happens to look: a command of a stranger must not take the spool from the project."""
    spool = tmp_path / "state.db.spool"
    spool.mkdir()
    os.chown(tmp_path, folder_of, folder_of)
    os.chown(spool, spool_of, spool_of)
    assert _find_fault(spool).fix == fix.format(spool=spool)


def test_lock_without_a_free_inode_is_that_of_the_folder(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be created, so every name has one lock, which also counts once there are inodes again."""

    def refuse(path: Path, flags: int) -> int:
        raise OSError(28, "No space left on device")

    free = spool.lock("first")
    assert free is not None
    free.release()
    with monkeypatch.context() as patch:
        patch.setattr("mainspring.service.spool.open_side_file", refuse)
        held = spool.lock("a")
        assert held is not None
        assert spool.lock("a") is None
    assert spool.lock("a") is None
    held.release()
    again = spool.lock("a")
    assert again is not None
    again.release()


@contextlib.contextmanager
def disk_without_inodes(folder: Path) -> Iterator[list[Path]]:
    """A small disk in memory; yield the files that use up its inodes."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=40", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("NOT TESTED: tmpfs cannot be mounted here")
    try:
        yield fill_inodes(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill_inodes(folder: Path) -> list[Path]:
    files = []
    with contextlib.suppress(OSError):
        for number in itertools.count():
            path = folder / f"filler{number}"
            if not path.exists():
                path.touch()
                files.append(path)
    return files


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root may mount")
@pytest.mark.parametrize("number_free", [1, 2, 3, 4])
def test_lock_of_a_full_disk_counts_whatever_files_are_created_meanwhile(tmp_path: Path, number_free: int) -> None:
    """A later call gets as far as the free inodes allow: to a folder, to a file, or all the way."""
    disk = tmp_path / "disk"
    with disk_without_inodes(disk) as fillers:

        def lock() -> FileLock | None:
            return Spool(disk / "spool", store_folder=disk).lock("job")

        held = lock()
        assert held is not None
        for filler in fillers[:number_free]:
            filler.unlink()
        assert [lock(), lock()] == [None, None]
        fill_inodes(disk)
        assert lock() is None
        held.release()
        again = lock()
        assert again is not None
        assert lock() is None
        again.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root may mount")
def test_full_disk_of_the_spare_folder_keeps_locks_apart(tmp_path: Path) -> None:
    """The state folder is one for all stores of a user, and each store has its own spool."""
    with disk_without_inodes(tmp_path / "state"):
        stores = [Spool(tmp_path / name, tmp_path / "state" / f"spool-{name}") for name in "ab"]
        locks = [store.lock("job") for store in stores]
        assert None not in locks
        assert stores[0].lock("job") is None


def test_lock_of_a_lost_disk_still_counts(tmp_path: Path) -> None:
    """The holder has the file in the spare folder too, because its disk may vanish, and a new one appear in its place."""
    disk = tmp_path / "disk"
    disk.mkdir()
    spool = Spool(disk / "s.db.spool", tmp_path / "spare", store_folder=disk)
    held = spool.lock("a")
    assert held is not None
    disk.rename(tmp_path / "lost")
    assert spool.lock("a") is None
    disk.mkdir()
    assert spool.lock("a") is None
    held.release()
    again = spool.lock("a")
    assert again is not None
    again.release()


def test_lock_needs_no_spare_folder(tmp_path: Path) -> None:
    """A user without a home has none; the file in the spool is enough."""
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "spool", tmp_path / "file" / "spare")
    held = spool.lock("a")
    assert held is not None
    assert spool.lock("a") is None
    held.release()


def test_lock_on_a_missing_disk_is_in_the_spare_folder(tmp_path: Path) -> None:
    """It also counts once the disk is back."""
    disk = tmp_path / "disk"
    spool = Spool(disk / "s.db.spool", tmp_path / "spare", store_folder=disk)
    held = spool.lock("a")
    assert held is not None
    assert spool.lock("a") is None
    assert not disk.exists()
    disk.mkdir()
    assert spool.lock("a") is None
    held.release()
    again = spool.lock("a")
    assert again is not None
    assert any(path.is_relative_to(disk) for path in again.files)
    again.release()
