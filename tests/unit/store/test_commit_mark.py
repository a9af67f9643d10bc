"""Commit marks: one record, read back whole or not at all, and compared with a store."""

import os
import stat

import pytest

from mainspring.store.commit_mark import (
    SIZE,
    CommitMark,
    MarkFile,
    find_lost_commits,
    pack_mark,
    read_mark,
    unpack_mark,
)

MARK = CommitMark(store="s", epoch=2, number=40, at=1_000, operation_number=3, operation_hash="h3")


def ask(*, epoch=2, number=40, at=900, hashes=("h1", "h2", "h3"), store="s"):
    """A store that answers as the statements of these names do."""

    def answer(query, params):
        if query == "read_commits":
            return [(store, epoch, "", number, at)]
        assert query == "read_audit_hash"
        return [(hashes[params[0] - 1],)] if params[0] <= len(hashes) else []

    return answer


def found(mark=MARK, **store):
    return find_lost_commits([(mark, "here")], ask(**store))


def test_a_record_has_one_size_and_returns():
    """Whatever is in it, it is one sector."""
    assert len(pack_mark(MARK)) == SIZE
    assert unpack_mark(pack_mark(MARK)) == MARK


@pytest.mark.parametrize("place", [0, 8, 60, SIZE - 1])
def test_a_record_with_one_wrong_byte_is_none(place):
    """A record that was torn, or whose bit flipped, proves nothing."""
    record = bytearray(pack_mark(MARK))
    record[place] ^= 1
    assert unpack_mark(bytes(record)) is None


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1, 3 * SIZE])
def test_a_record_of_another_size_is_none(size):
    """A file that was cut off, or grew, is no mark."""
    assert unpack_mark((pack_mark(MARK) * 3)[:size]) is None


def test_a_written_mark_is_read_and_belongs_to_its_user(tmp_path):
    """Written over, it keeps its size."""
    file = MarkFile(tmp_path / "m")
    file.write(MARK)
    file.write(CommitMark(store="s", epoch=2, number=41, at=1))
    assert read_mark(tmp_path / "m").number == 41
    assert (tmp_path / "m").stat().st_size == SIZE
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o600


def test_a_mark_that_was_removed_is_made_again(tmp_path):
    """The descriptor of a removed file takes writes that no one can read."""
    file = MarkFile(tmp_path / "m")
    file.write(MARK)
    (tmp_path / "m").unlink()
    file.reopen_if_removed()
    file.write(MARK)
    assert read_mark(tmp_path / "m") == MARK


def test_a_mark_that_cannot_be_written_gives_the_reason_once(tmp_path, caplog):
    """A folder in its place, a link of someone else, a folder that is gone. It stops no commit."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name, reason in (("folder", "directory"), ("link", "symbolic link"), ("gone/m", "No such")):
        file = MarkFile(tmp_path / name)
        caplog.clear()
        file.write(MARK)
        file.write(MARK)
        (line,) = [record.getMessage() for record in caplog.records]
        assert reason in line
        assert "Until it can be written, Mainspring does not notice a store that goes back in time." in line
    assert not (tmp_path / "target").exists()


def test_a_pipe_in_place_of_a_mark_is_not_waited_for(tmp_path):
    """To open a pipe for reading would wait for its writer."""
    os.mkfifo(tmp_path / "m")
    assert read_mark(tmp_path / "m") is None


def test_a_store_at_its_mark_or_above_it_is_healthy():
    """What is committed is in the store first."""
    assert found(number=40) is None
    assert found(number=41, hashes=("h1", "h2", "h3", "h4")) is None


def test_a_store_below_its_mark_lost_commits():
    """How many, and between which instants."""
    lost = found(number=38)
    assert (lost.stored, lost.marked, lost.since_at, lost.until_at, lost.where) == (38, 40, 900, 1_000, "here")
    assert lost.text.startswith("the store went back in time: 2 commits missing, between 1970-01-01 00:00:00 UTC and")


def test_a_mark_of_another_store_or_of_an_older_epoch_proves_nothing():
    """Another store, or one that was restored, moved or released since."""
    assert found(number=1, store="other") is None
    assert found(number=1, epoch=3) is None


def test_a_mark_of_a_later_epoch_proves_loss_whatever_its_number():
    """The commit that raised the epoch is one of those that are missing."""
    assert found(number=90, epoch=1) is not None


def test_an_operation_that_is_missing_or_another_one_proves_loss():
    """A copy that continued elsewhere has as many commits, and other operation_number."""
    assert found(number=99, hashes=("h1", "h2")).act == 3
    lost = found(number=99, hashes=("h1", "h2", "other"))
    assert lost.act == 3
    assert "is not the one that was used here" in lost.text


def test_the_mark_that_knows_most_names_the_loss():
    """Of several processes, the one whose commit was the last."""
    older = CommitMark(store="s", epoch=2, number=39, at=500)
    assert find_lost_commits([(MARK, "a"), (older, "b")], ask(number=1)).where == "a"
