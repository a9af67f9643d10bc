"""What is remembered of a lost store, beside the spool or where that cannot be: known to all, and written by no one else."""

import os
from pathlib import Path

import pytest

from mainspring.app.alerting.outage_log import Outage, OutageLog


@pytest.fixture
def shm(tmp_path, monkeypatch):
    """The other place, in which everyone may write."""
    folder = tmp_path / "shm"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr("mainspring.app.alerting.outage_log.list_spare_folders", lambda: (folder,))
    return folder


@pytest.fixture
def full(tmp_path, shm):
    """A spool beside which nothing can be written."""
    (tmp_path / "taken").write_text("")
    return tmp_path / "taken" / "spool"


def test_spare_place_is_known_to_others_and_to_its_project_only(full):
    """Another process reads it; another spool has nothing to do with it."""
    OutageLog(full).remember(Outage(1_000, {"ops": None}))
    assert OutageLog(full).recall() == Outage(1_000, {"ops": None})
    assert not OutageLog(full.with_name("other")).exists()


def test_file_is_for_its_user_only(tmp_path, full, shm):
    """Whatever the umask is, wherever it lies: the fault in it may name what no one else is to know."""
    before = os.umask(0)
    try:
        OutageLog(tmp_path / "spool").remember(Outage(1_000, fault="password of ann refused"))
        OutageLog(full).remember(Outage(1_000))
    finally:
        os.umask(before)
    written = [*tmp_path.glob("*.store-lost.json"), *shm.rglob("*.json")]
    assert len(written) == 2
    assert [file.stat().st_mode & 0o777 for file in written] == [0o600, 0o600]


def test_file_next_to_the_spool_revokes_the_report(full, shm):
    """Once there is room the spare one goes, which is read before it."""
    memory = OutageLog(full)
    memory.remember(Outage(1_000))
    full.parent.unlink()
    full.parent.mkdir()
    memory.remember(Outage(1_000, {"ops": None}))
    assert list(shm.rglob("*.json")) == []
    assert OutageLog(full).recall() == Outage(1_000, {"ops": None})


def _write_foreign_log(own: Path) -> None:
    own.mkdir()
    own.chmod(0o777)


def _link(own: Path) -> None:
    own.with_name("theirs").mkdir(0o700)
    own.symlink_to(own.with_name("theirs"))


@pytest.mark.parametrize("prepare", [_write_foreign_log, _link])
def test_spare_place_of_others_is_not_used(full, shm, prepare):
    """Who can write there could make us believe that everyone was notified."""
    prepare(shm / f"mainspring-{os.geteuid()}")
    memory = OutageLog(full)
    with pytest.raises(OSError, match="taken"):
        memory.remember(Outage(1_000))
    assert (memory.is_private, memory.recall()) == (True, Outage(1_000))
    assert list(shm.rglob("*.json*")) == []


def test_unwritable_outage_is_not_forgotten(tmp_path, shm, monkeypatch):
    """An older word on the disk says less than this process knows."""
    memory = OutageLog(tmp_path / "spool")
    memory.remember(Outage(1_000))
    monkeypatch.setattr("mainspring.app.alerting.outage_log.list_spare_folders", tuple)
    (tmp_path / f"spool.store-lost.json.{os.getpid()}.part").mkdir()
    with pytest.raises(OSError, match="part"):
        memory.remember(Outage(1_000, {"ops": None}))
    assert memory.recall() == Outage(1_000, {"ops": None})
