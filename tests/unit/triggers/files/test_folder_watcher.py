"""The watcher of a folder: when a file counts, that it counts once, and what happens when things go away."""

import errno
import os
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from mainspring.domain.errors import FencedError, StoreUnavailableError
from mainspring.domain.states import RunState
from mainspring.store import failpoints
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.results import Refused
from mainspring.triggers.files import file_intake
from mainspring.triggers.files.folder import FolderListing
from tests.unit.triggers.inbox import Opens


def test_file_is_accepted_once_it_has_settled(opens: Opens) -> None:
    """Not at the first look, not before `settle`, and then once, however often it is looked at."""
    inbox = opens(settle="2s")
    inbox.write("a.csv", b"1,2")
    inbox.poll()
    inbox.pass_time(1.9)
    inbox.poll()
    assert inbox.shop.runs == []
    inbox.pass_time(0.1)
    inbox.poll()
    inbox.settle()
    assert [(file.path, file.size) for file in inbox.shop.files] == [(str(inbox.folder / "a.csv"), 3)]
    assert len(inbox.shop.requests) == 1


def test_file_that_grows_is_not_accepted_before_it_rests(opens: Opens) -> None:
    """Each change begins the wait again; what counts is the whole file."""
    inbox = opens(settle="2s")
    path = inbox.write("a.csv", b"1")
    for _ in range(5):
        inbox.poll()
        inbox.pass_time(1.9)
        with path.open("ab") as file:
            file.write(b",1")
    inbox.settle()
    assert [file.size for file in inbox.shop.files] == [11]


def test_change_that_keeps_size_and_time_is_seen(opens: Opens) -> None:
    """A program that sets the old time again cannot hide that it wrote."""
    inbox = opens()
    path = inbox.write("a.csv", b"old")
    inbox.settle()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"new")
    os.utime(path, ns=times)
    inbox.settle()
    assert len(inbox.shop.runs) == 2


def test_file_that_changes_while_it_is_hashed_waits_for_the_next_poll(opens: Opens, monkeypatch) -> None:
    """What was hashed is what is there, or nothing is accepted."""
    inbox = opens()
    path = inbox.write("a.csv", b"x" * 3_000_000)
    inbox.poll()
    inbox.pass_time()
    monkeypatch.setattr(file_intake, "_MAX_BYTES", 1024 * 1024)
    inbox.poll()
    assert inbox.shop.runs == []
    path.write_bytes(b"y" * 3_000_000)
    for _ in range(6):
        inbox.settle()
    assert [file.sha256 for file in inbox.shop.files] == [sha256(b"y" * 3_000_000).hexdigest()]


def test_large_file_is_hashed_over_several_polls_behind_small_ones(opens: Opens, monkeypatch) -> None:
    """A file of any size keeps no one waiting, and is accepted whole."""
    monkeypatch.setattr(file_intake, "_MAX_BYTES", 1024 * 1024)
    monkeypatch.setattr("mainspring.triggers.files.seen_files._LARGE_BYTES", 1_000_000)
    inbox = opens()
    inbox.write("large", b"x" * 3_500_000)
    inbox.write("small")
    inbox.settle()
    assert inbox.shop.names == ["small"]
    for _ in range(3):
        inbox.poll()
    assert inbox.shop.names == ["small", "large"]


def test_files_are_accepted_in_the_order_of_their_changes(opens: Opens) -> None:
    """Names do not matter: what came first starts first."""
    inbox = opens()
    for number, name in enumerate(["c", "a", "b"]):
        os.utime(inbox.write(name, name.encode()), ns=(0, 10**9 * number))
    inbox.settle()
    assert inbox.shop.names == ["c", "a", "b"]


def test_restarted_watcher_starts_nothing_twice(opens: Opens) -> None:
    """The store knows what this watcher forgot: one key for one content at one path."""
    inbox = opens()
    inbox.write("a.csv")
    inbox.settle()
    inbox.restart()
    inbox.settle()
    assert len(inbox.shop.runs) == 1
    assert len(inbox.shop.requests) == 2


def test_file_that_stays_is_named_again_each_day(opens: Opens) -> None:
    """The store, which keeps keys for a bounded time from when they last came, does not forget what is still there."""
    inbox = opens()
    inbox.write("a.csv")
    inbox.settle()
    for _ in range(3):
        inbox.pass_time(86_400)
        inbox.poll()
    assert len(inbox.shop.requests) == 4
    assert len(inbox.shop.runs) == 1


def test_new_content_or_path_counts_and_old_content_at_an_old_path_does_not(opens: Opens) -> None:
    """The key is path and content together."""
    inbox = opens()
    path = inbox.write("a", b"1")
    inbox.settle()
    path.write_bytes(b"2")
    inbox.settle()
    path.rename(inbox.folder / "b")
    inbox.settle()
    inbox.write("a", b"1")
    inbox.settle()
    assert [(file.name, file.sha256[:4]) for file in inbox.shop.files] == [("a", "6b86"), ("a", "d473"), ("b", "d473")]


@pytest.mark.parametrize(
    "name",
    [
        b"a b.csv",
        b"line\nend.csv",
        b"caf\xe9.csv",
        b"-rf.csv",
        "ü\u202e.csv".encode(),
        b"100%25.csv",
        b"\x01.csv",
        b"x" * 251 + b".csv",
    ],
)
def test_awkward_names_are_accepted_and_moved(opens: Opens, name: bytes) -> None:
    """The run opens the very file, the key can be printed, and the file keeps its name where it is moved to."""
    inbox = opens(pattern="*.csv", after_success="done")
    (inbox.folder / os.fsdecode(name)).write_bytes(name)
    inbox.settle()
    (file,) = inbox.shop.files
    assert Path(file).read_bytes() == name
    assert inbox.shop.runs[0].key.isprintable()
    assert len(inbox.shop.runs[0].key) <= 1000
    inbox.shop.end(RunState.SUCCEEDED)
    inbox.settle()
    assert inbox.tree() == {f"done/{os.fsdecode(name)}": name}


def test_path_as_long_as_the_system_takes_is_accepted(opens: Opens) -> None:
    """4,000 bytes and more work as long as a program can open it by name; what is longer is reported."""
    inbox = opens(recursive=True, after_success="done")
    inside = os.open(inbox.folder, os.O_RDONLY)
    for _ in range(19):  # deeper than any path can say, one folder at a time
        os.mkdir("f" * 200, dir_fd=inside)
        below = os.open("f" * 200, os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = below
    path_bytes_left = 4095 - len(os.fsencode(inbox.folder)) - 19 * 201 - 1
    for name in ("n" * path_bytes_left, "n" * (path_bytes_left + 1)):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=inside))
    os.close(inside)
    inbox.settle()
    (file,) = inbox.shop.files
    assert len(os.fspath(file)) == 4095
    open(file).close()
    assert "4096 bytes" in (inbox.watcher.state.reason or "")
    inbox.shop.end(RunState.SUCCEEDED)
    inbox.settle()
    assert not Path(file).exists()


def test_non_file_is_ignored(opens: Opens, monkeypatch) -> None:
    """FIFOs, sockets, devices and folders with matching names are neither opened nor told."""
    inbox = opens()
    os.mkfifo(inbox.folder / "fifo")
    (inbox.folder / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(inbox.folder)  # the name of a socket may not be long
        listening.bind("socket")
        inbox.settle()
    assert inbox.shop.runs == []
    assert inbox.watcher.state.reason is None


def test_file_that_becomes_a_fifo_does_not_hang_the_watcher(opens: Opens) -> None:
    """What is opened is looked at before it is read."""
    inbox = opens()
    path = inbox.write("a")
    inbox.poll()
    inbox.pass_time()

    listing = inbox.watcher._folder.listing

    def swap() -> FolderListing:
        found = listing()
        path.unlink()
        os.mkfifo(path)
        return found

    inbox.watcher._folder.listing = swap  # type: ignore[method-assign]
    inbox.poll()
    assert inbox.shop.runs == []


def test_links_out_of_the_folder_are_refused_and_reported(opens: Opens, tmp_path: Path) -> None:
    """Who may write into the folder does not get to name other files; a link to a file of the folder is no second file."""
    (tmp_path / "secret").write_text("s")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "o").write_text("o")
    inbox = opens(recursive=True)
    inbox.write("real")
    (inbox.folder / "inside").symlink_to("real")
    (inbox.folder / "outside").symlink_to("../secret")
    (inbox.folder / "folder").symlink_to(tmp_path / "others")
    inbox.settle()
    assert inbox.shop.names == ["real"]
    reason = inbox.watcher.state.reason or ""
    assert "outside is skipped: it is a link" in reason
    assert "inside" not in reason


def test_folder_that_becomes_a_link_is_not_followed(opens: Opens, tmp_path: Path) -> None:
    """A folder that is exchanged for a link between look and hash leads nowhere."""
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "a").write_bytes(b"content")
    inbox = opens(recursive=True, after_success="delete")
    inbox.write("sub/a")
    inbox.settle()
    inbox.shop.end(RunState.SUCCEEDED)
    inbox.pass_time()
    listing = inbox.watcher._folder.listing

    def swap() -> FolderListing:
        found = listing()
        (inbox.folder / "sub").rename(tmp_path / "was")
        (inbox.folder / "sub").symlink_to(tmp_path / "others")
        return found

    inbox.watcher._folder.listing = swap  # type: ignore[method-assign]
    inbox.poll()
    assert (tmp_path / "others" / "a").read_bytes() == b"content"


def test_hidden_half_written_and_other_files_are_not_read(opens: Opens) -> None:
    """Pattern, ignored names and `recursive` decide; ignored folders are not entered."""
    inbox = opens(pattern="*.csv", recursive=True)
    for path in ("a.csv", "a.txt", ".b.csv", "c.csv.part", "sub/d.csv", ".sub/e.csv", "f.csv~"):
        inbox.write(path)
    inbox.settle()
    assert sorted(inbox.shop.names) == ["a.csv", "d.csv"]
    flat = opens("flat")
    flat.write("sub/a")
    flat.settle()
    assert flat.shop.runs == []


def test_too_large_file_is_omitted_and_reported(opens: Opens) -> None:
    """It stays where it is, and the state says which and why, once."""
    inbox = opens(max_size=3)
    inbox.write("small", b"123")
    inbox.write("large", b"1234")
    inbox.settle()
    inbox.settle()
    assert inbox.shop.names == ["small"]
    assert inbox.reports[-1].reason == "large is skipped: it has 4 bytes, max_size is 3"
    assert len(inbox.reports) == 1


def test_file_that_cannot_be_read_is_reported_and_tried_again(opens: Opens, monkeypatch) -> None:
    """A bad sector keeps no other file out; after a minute it is tried again."""
    inbox = opens()
    inbox.write("a")
    inbox.write("b")
    whole = inbox.watcher._folder.hash

    def broken(path, hashing, most):
        if path == "a":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(path, hashing, most)

    monkeypatch.setattr(inbox.watcher._folder, "hash", broken)
    inbox.settle()
    assert inbox.shop.names == ["b"]
    assert inbox.watcher.state.reason == "a is skipped: it cannot be read: Input/output error"
    monkeypatch.undo()
    inbox.pass_time(60)
    inbox.poll()
    assert inbox.shop.names == ["b", "a"]
    assert inbox.watcher.state.reason is None


# -- the folder goes away ----------------------------------------------------------------------------------------------


def test_missing_folder_is_reported_with_its_time_and_outlived(opens: Opens) -> None:
    """Away since when and why, once; then files count as ever, and those that were there before do not count twice."""
    inbox = opens()
    inbox.write("a")
    inbox.settle()
    inbox.folder.rename(inbox.folder.with_name("elsewhere"))
    inbox.pass_time()
    unreachable_at = inbox.clock.now()
    inbox.poll()
    inbox.pass_time()
    inbox.poll()
    assert (inbox.reports[-1].connected_at, inbox.reports[-1].unreachable_at) == (None, unreachable_at)
    assert "No such file" in (inbox.reports[-1].reason or "")
    inbox.folder.with_name("elsewhere").rename(inbox.folder)
    inbox.write("b")
    inbox.settle()
    assert inbox.shop.names == ["a", "b"]
    assert len(inbox.shop.requests) == 2, "the same folder is known again without reading its files"
    assert [(report.unreachable_at is None) for report in inbox.reports] == [True, False, True]


def test_folder_that_is_a_file_is_unreachable(opens: Opens) -> None:
    """Whatever stands in its place is reported."""
    inbox = opens()
    inbox.folder.rmdir()
    inbox.folder.write_text("")
    inbox.poll()
    assert "Not a directory" in (inbox.watcher.state.reason or "")


def test_unmounted_folder_loses_and_doubles_nothing(opens: Opens) -> None:
    """Unmounted it looks empty, mounted again all its files look new: the store knows them."""
    inbox = opens()
    inbox.write("a")
    inbox.settle()
    inbox.folder.rename(inbox.folder.with_name("disk"))
    inbox.folder.mkdir()
    inbox.settle()
    inbox.folder.rmdir()
    inbox.folder.with_name("disk").rename(inbox.folder)
    inbox.settle()
    assert inbox.shop.names == ["a"]


# -- the store goes away -----------------------------------------------------------------------------------------------


def test_unreachable_store_is_called_again(opens: Opens) -> None:
    """Nothing is lost, nothing is hashed again, and the state says why nothing comes in."""
    inbox = opens()
    inbox.shop.faults = [StoreUnavailableError("it is down")] * 2
    inbox.write("a")
    inbox.settle()
    assert inbox.watcher.state.reason == "the store: it is down"
    for _ in range(2):
        inbox.pass_time(2)
        inbox.poll()
    assert inbox.shop.names == ["a"]
    assert inbox.watcher.state.reason is None


def test_busy_store_is_not_called_before_its_retry_time(opens: Opens) -> None:
    """Back-pressure: the rest of the files waits in the folder."""
    inbox = opens()
    inbox.shop.faults = [Refused("busy", "the queue is full", retry_after_ms=30_000)]
    inbox.write("a")
    inbox.settle()
    inbox.pass_time(29)
    inbox.poll()
    assert len(inbox.shop.requests) == 1
    assert inbox.watcher.state.reason == "the queue is full"
    inbox.pass_time(1)
    inbox.poll()
    assert inbox.shop.names == ["a"]


def test_unknown_trigger_waits_until_it_is_announced(opens: Opens) -> None:
    """A watcher that is faster than the announcement loses nothing."""
    inbox = opens()
    inbox.shop.faults = [Refused("no_trigger")]
    inbox.write("a")
    inbox.settle()
    assert "in/files" in (inbox.watcher.state.reason or "")
    inbox.settle()
    assert inbox.shop.names == ["a"]


def test_refused_file_is_reported_and_blocks_no_other(opens: Opens) -> None:
    """What cannot count stays where it is, with the reason."""
    inbox = opens()
    inbox.shop.faults = [Refused("bad_value", "no")]
    os.utime(inbox.write("a"), ns=(0, 0))
    inbox.write("b")
    inbox.settle()
    assert inbox.shop.names == ["b"]
    assert inbox.watcher.state.reason == "a is skipped: bad_value: no"


@pytest.mark.parametrize("fault", [RuntimeError("oops"), UnwritableCommandError("no index takes it")])
def test_fault_of_the_intake_is_reported_and_blocks_no_other(opens: Opens, fault: Exception) -> None:
    """An error that no one foresaw concerns one file."""
    inbox = opens()
    inbox.shop.faults = [fault]
    os.utime(inbox.write("a"), ns=(0, 0))
    inbox.write("b")
    inbox.settle()
    assert inbox.shop.names == ["b"]
    inbox.pass_time(60)
    inbox.poll()
    assert inbox.shop.names == ["b", "a"]


def test_fenced_process_stops(opens: Opens) -> None:
    """Who may write nothing more does not continue looking."""
    inbox = opens()
    inbox.shop.faults = [FencedError("declared dead")]
    inbox.write("a")
    inbox.poll()
    inbox.pass_time()
    with pytest.raises(FencedError):
        inbox.poll()


def test_clock_that_is_set_back_delays_nothing(opens: Opens) -> None:
    """No file waits for the hour that was lost."""
    inbox = opens()
    inbox.shop.faults = [Refused("busy", retry_after_ms=1_000)]
    inbox.write("a")
    inbox.write("b")
    inbox.settle()
    inbox.pass_time(-3600)
    inbox.poll()
    inbox.settle()
    assert sorted(inbox.shop.names) == ["a", "b"]


def test_many_files_are_accepted_over_several_polls(opens: Opens, monkeypatch) -> None:
    """More than one look accepts follow at the next, without a wait."""
    monkeypatch.setattr(file_intake, "_MAX_FILES", 100)
    inbox = opens()
    for number in range(250):
        inbox.write(f"{number}", b"%d" % number)
    inbox.settle()
    assert len(inbox.shop.runs) == 100
    inbox.poll()
    inbox.poll()
    assert len(inbox.shop.runs) == 250


def test_places_are_passed_in_order(opens: Opens) -> None:
    """The places at which a kill can be ordered are those of the steps that a file goes."""
    inbox = opens(after_failure="failed")
    passed: list[str] = []
    failpoints.install(passed.append)
    inbox.write("a")
    inbox.settle()
    inbox.shop.end(RunState.FAILED)
    inbox.settle()
    steps = ["hashed", "taken", "stage", "staged", "placed", "forgotten", "cleared"]
    assert passed == [f"files.{step}" for step in steps]
