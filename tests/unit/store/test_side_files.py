"""Side files: root gives away nothing that their owner could not have made himself, and writes through no link."""

import errno
import os

import pytest

from mainspring.store.side_files import create_side_file, make_side_folder, open_side_file

OWNER = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give a file away")


@pytest.fixture
def store(tmp_path):
    """A store of another user, in a folder of that user."""
    folder = tmp_path / "project"
    folder.mkdir()
    store = folder / "state.db"
    store.touch()
    for path in (folder, store):
        os.chown(path, OWNER, OWNER)
    return store


def owner_of(path):
    return path.lstat().st_uid


@pytest.mark.parametrize("name", ["truncated", "missing"])
def test_link_is_not_followed(tmp_path, name):
    """Neither a file that is there is truncated, nor one made elsewhere; the error says what is in the way."""
    elsewhere = tmp_path / "elsewhere"
    if name == "truncated":
        elsewhere.write_text("kept")
    link = tmp_path / "state.db.write-queue"
    link.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic link") as caught:
        os.close(open_side_file(link, os.O_RDWR | os.O_TRUNC))
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(link))
    assert elsewhere.exists() == (name == "truncated")
    assert name == "missing" or elsewhere.read_text() == "kept"


@as_root
def test_root_gives_what_it_makes_to_the_owner_of_the_store(store):
    """Files and folders beside the store, and in its folders."""
    folder = store.with_name("state.db.sessions") / "deeper"
    make_side_folder(folder, store=store)
    lock = folder / "a.lock"
    os.close(open_side_file(lock, os.O_RDWR, store=store))
    assert [owner_of(path) for path in (folder.parent, folder, lock)] == [OWNER] * 3


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o1755])
def test_root_gives_nothing_away_in_a_folder_that_the_owner_may_not_write(store, tmp_path, mode):
    """He links a folder of root's into his project; a file of his there would be a gift."""
    foreign = tmp_path / "profile.d"
    foreign.mkdir()
    foreign.chmod(mode)
    link = store.with_name("state.db.sessions")
    link.symlink_to(foreign)
    make_side_folder(link, store=store)
    os.close(create_side_file(link / "a.lock", os.O_RDWR, store=store))
    make_side_folder(link / "more" / "deeper", store=store)
    made = (foreign / "a.lock", foreign / "more", foreign / "more" / "deeper")
    assert [owner_of(path) for path in made] == [0] * 3


@as_root
@pytest.mark.parametrize(("mode", "group"), [(0o775, OWNER), (0o1777, 0)])
def test_root_gives_a_file_away_where_its_owner_may_make_files(store, tmp_path, mode, group):
    """A folder of root's that is open to the owner's group, or to all."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    os.chown(shared, 0, group)
    os.close(create_side_file(shared / "a.lock", os.O_RDWR, store=store))
    assert owner_of(shared / "a.lock") == OWNER
