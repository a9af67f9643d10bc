"""The folder of blobs: whole files only, flushed before they have a name, and cleared by day."""

import errno
import os
import stat

import pytest

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.values.blob import Blob, address_of
from mainspring.store import failpoints
from mainspring.store.blob_folder import BlobFolder

DATA = b"large " * 1_000


def make_blob(data=DATA, day=20_000):
    return Blob(day, address_of(data), len(data))


@pytest.fixture
def folder(tmp_path):
    return BlobFolder(tmp_path / "state.db.blobs")


def test_blob_is_read_as_it_was_put(folder):
    """A second put of the same bytes changes nothing, and another day has its own file."""
    for _ in range(2):
        folder.put(make_blob(), DATA)
    folder.put(make_blob(day=20_001), DATA)
    assert folder.get(make_blob()) == DATA
    assert folder.days() == [20_000, 20_001]
    assert folder.sizes(20_000) == {address_of(DATA): len(DATA)}
    assert folder.get(make_blob(b"other")) is None


def test_only_the_owner_can_read_blobs(folder):
    """The values may be secrets of its user."""
    folder.put(make_blob(), DATA)
    file = folder.file_of(make_blob())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for path in (file.parent, file.parent.parent, folder.folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_file_that_a_crash_cut_is_written_again(folder):
    """A system that lost power may have a name without all bytes."""
    folder.put(make_blob(), DATA)
    os.truncate(folder.file_of(make_blob()), 10)
    folder.put(make_blob(), DATA)
    assert folder.get(make_blob()) == DATA


def test_file_of_other_bytes_is_replaced(folder):
    """A put of the blob from a backup repairs it."""
    folder.put(make_blob(), DATA)
    folder.file_of(make_blob()).write_bytes(DATA[::-1])
    folder.put(make_blob(), DATA)
    assert folder.get(make_blob()) == DATA


def test_folder_is_made_again_after_a_sweep(folder):
    """Another process has just removed the empty folder of a day."""
    folder.put(make_blob(), DATA)
    BlobFolder(folder.folder).clear(20_000, ())
    folder.put(make_blob(), DATA)
    assert folder.get(make_blob()) == DATA


def test_folder_of_a_store_that_is_not_there_is_not_made(tmp_path):
    """Its disk may not be mounted."""
    folder = BlobFolder(tmp_path / "mounted" / "state.db.blobs")
    with pytest.raises(CodecUnavailableError, match="there is no folder for it") as refused:
        folder.put(make_blob(), DATA)
    assert "mounted" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_put_that_fails_leaves_no_file(folder, monkeypatch):
    """A full disk: the error names the folder and the fix, and nothing is left of the blob."""

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(CodecUnavailableError, match="No space left on device") as refused:
            folder.put(make_blob(), DATA)
    assert str(folder.folder) in refused.value.message
    assert refused.value.hint == "Free space on its disk."
    assert [path for path in folder.folder.rglob("*") if path.is_file()] == []
    folder.put(make_blob(), DATA)
    assert folder.get(make_blob()) == DATA


def test_closed_day_is_cleared_of_all_but_what_is_referenced(folder):
    """Parts of puts that a kill broke off go too; other days stay."""
    stored, gone = b"stored", b"gone"
    for data in (stored, gone):
        folder.put(make_blob(data), data)
    folder.put(make_blob(gone, day=20_001), gone)

    def die(name):
        raise KeyboardInterrupt

    failpoints.install(lambda name: die(name) if name == "blob.before" else None)
    try:
        with pytest.raises(KeyboardInterrupt):
            folder.put(make_blob(b"broken"), b"broken")
    finally:
        failpoints.install(None)
    part = folder.file_of(make_blob(b"broken")).with_name(".part")
    part.write_bytes(b"of a process that was killed")
    assert folder.clear(20_000, {address_of(stored)}) == 2
    assert folder.sizes(20_000) == {address_of(stored): 6}
    assert folder.get(make_blob(gone, day=20_001)) == gone
    assert folder.clear(20_000, ()) == 1
    assert folder.days() == [20_001]


def test_link_is_a_second_name_that_outlives_the_first(folder, tmp_path):
    """A backup in the same file system costs no second copy."""
    folder.put(make_blob(), DATA)
    copies = BlobFolder(tmp_path / "copy.blobs")
    assert copies.link(make_blob(), folder)
    assert copies.link(make_blob(), folder)
    assert copies.file_of(make_blob()).samefile(folder.file_of(make_blob()))
    folder.clear(20_000, ())
    assert copies.get(make_blob()) == DATA
    assert not copies.link(make_blob(b"none"), folder)


def test_link_of_the_system_is_not_followed(folder, tmp_path):
    """A file that another user put in the place of a blob is not read."""
    folder.put(make_blob(), DATA)
    file = folder.file_of(make_blob())
    other = tmp_path / "other"
    other.write_bytes(DATA)
    file.unlink()
    file.symlink_to(other)
    with pytest.raises(CodecUnavailableError, match="cannot be read"):
        folder.get(make_blob())
    folder.put(make_blob(), DATA)
    assert not file.is_symlink()


def test_folder_that_is_not_there_has_nothing(folder):
    """No put came yet: nothing is created by a read."""
    assert (folder.days(), folder.sizes(1), folder.clear(1, ()), folder.get(make_blob())) == ([], {}, 0, None)
    assert not folder.folder.exists()
