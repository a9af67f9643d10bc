"""The processes of a command, read from files as /proc has them, and from /proc itself."""

import os
import sys
from pathlib import Path

import pytest

from mainspring.engine.attempts.processes.process_tree import MAX_PROCESSES, describe_process_tree


class Proc:
    """A folder like /proc."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.add(1, b"init", group=1)
        (path / "sys").mkdir()

    def add(self, pid: int, name: bytes = b"sh", state: bytes = b"S", parent: int = 1, group: int = 10) -> None:
        folder = self.path / str(pid)
        folder.mkdir()
        (folder / "stat").write_bytes(b"%d (%s) %s %d %d 0 0\n" % (pid, name, state, parent, group))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_tree_reports_names_and_states(proc: Proc) -> None:
    """A space further in for each that was begun; nothing of other groups."""
    proc.add(10, b"backup.sh")
    proc.add(12, b"gzip", b"D", 10)
    proc.add(11, b"pg_dump", b"T", 10)
    proc.add(13, b"ssh", b"R", 11, group=13)
    proc.add(20, b"other", group=20)
    assert describe_process_tree(10, proc.path) == [
        "backup.sh (pid 10): sleeping",
        " pg_dump (pid 11): stopped by a signal",
        "  ssh (pid 13): running",
        " gzip (pid 12): waiting in the kernel, as for a disk",
    ]


def test_orphan_is_found_by_its_group(proc: Proc) -> None:
    """It was begun by something that is over."""
    proc.add(10)
    proc.add(15, b"left", parent=1)
    assert describe_process_tree(10, proc.path) == ["sh (pid 10): sleeping", " left (pid 15): sleeping"]


def test_name_may_be_anything(proc: Proc) -> None:
    """A process chooses its own, brackets and colours included."""
    proc.add(10, b") S (\x1b[31m\xff\n", b"Q")
    (line,) = describe_process_tree(10, proc.path)
    assert line.isprintable()
    assert line.endswith("(pid 10): Q")


def test_tree_is_bounded(proc: Proc) -> None:
    """Also of who forks without end."""
    proc.add(10)
    for pid in range(11, 11 + 2 * MAX_PROCESSES):
        proc.add(pid, parent=pid - 1)
    assert len(describe_process_tree(10, proc.path)) == MAX_PROCESSES


def test_process_that_is_gone_has_no_tree(proc: Proc) -> None:
    """Nor has one that cannot be read."""
    (proc.path / "10").mkdir()
    assert describe_process_tree(10, proc.path) == describe_process_tree(99, proc.path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
def test_own_process_is_reported_by_the_real_files() -> None:
    """As the system has them."""
    assert f"(pid {os.getpid()}): " in describe_process_tree(os.getpid())[0]
