"""A copy of a stored file: the target gets all bytes at once, and a part file never stays."""

import hashlib

import pytest

from mainspring.domain.errors import ArgumentError, FileRefError
from mainspring.resources.file_copy import FileCopy


def test_file_copy_becomes_the_target(tmp_path):
    """After a start over only the later bytes count; the name of the target may be as long as the system allows."""
    target = tmp_path / ("\u00e4" * 127)
    with FileCopy(target) as copy:
        copy.write(b"wrong and longer")
        copy.restart()
        copy.write(b"right")
        assert (copy.size, target.exists()) == (5, False)
        copy.finish(hashlib.sha256(b"right").hexdigest(), "'a'")
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(target, b"right")]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_file_copy_that_fails_leaves_nothing(tmp_path, failure):
    """Whatever ends it."""
    with pytest.raises(type(failure)), FileCopy(tmp_path / "target") as copy:
        copy.write(b"part")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_file_copy_of_other_bytes_is_refused(tmp_path):
    """The earlier file stays."""
    target = tmp_path / "target"
    target.write_bytes(b"earlier")
    with pytest.raises(FileRefError, match="file 'a' is damaged"), FileCopy(target) as copy:
        copy.write(b"other")
        copy.finish("0" * 64, "'a'")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


def test_file_copy_needs_a_path_of_a_file(tmp_path):
    """A folder is named in the error."""
    with pytest.raises(ArgumentError, match="is a folder"):
        FileCopy(tmp_path)
