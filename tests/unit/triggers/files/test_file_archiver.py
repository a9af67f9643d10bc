"""Moving files aside: where they go, that nothing is ever overwritten, and that what failed may come back."""

import errno
import os
from pathlib import Path

import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.states import RunState
from mainspring.store import failpoints
from mainspring.triggers.files.folder import FolderListing
from tests.unit.triggers.inbox import Inbox, Opens

OTHER_DISK = Path("/dev/shm")


def ended(inbox: Inbox, state: RunState = RunState.SUCCEEDED) -> None:
    """Let all runs end, and the watcher look."""
    inbox.shop.end(state)
    inbox.settle()


@pytest.mark.parametrize(
    ("state", "tree"),
    [
        (RunState.SUCCEEDED, {"done/a": b"1"}),
        (RunState.FAILED, {"failed/a": b"1"}),
        (RunState.CANCELLED, {"failed/a": b"1"}),
        (RunState.NEEDS_ATTENTION, {"a": b"1"}),
        (RunState.WAITING, {"a": b"1"}),
    ],
)
def test_file_goes_where_its_run_ended(opens: Opens, state: RunState, tree: dict[str, bytes]) -> None:
    """A run that may still continue keeps its file where it is."""
    inbox = opens(after_success="done", after_failure="failed")
    inbox.write("a", b"1")
    inbox.settle()
    assert inbox.tree() == {"a": b"1"}
    ended(inbox, state)
    assert inbox.tree() == tree
    assert len(inbox.shop.runs) == 1


def test_deleted_file_is_gone_and_kept_file_stays(opens: Opens) -> None:
    """`delete` after success, `keep` after failure: a failed run that is continued finds its file, and lets it go in the end."""
    inbox = opens(after_success="delete")
    inbox.write("a")
    inbox.write("b")
    inbox.settle()
    inbox.shop.end(RunState.SUCCEEDED, "a")
    ended(inbox, RunState.FAILED)
    assert set(inbox.tree()) == {"b"}
    inbox.shop.known[inbox.shop.runs[1].key] = RunState.SUCCEEDED
    inbox.settle()
    assert inbox.tree() == {}


def test_files_of_subfolders_keep_their_paths_and_are_not_seen_again(opens: Opens) -> None:
    """Two files of one name do not meet, and what lies aside below the watched folder is not accepted."""
    inbox = opens(recursive=True, after_success="sub/done")
    inbox.write("x/a", b"1")
    inbox.write("sub/a", b"2")
    inbox.settle()
    ended(inbox)
    inbox.restart()
    inbox.settle()
    assert inbox.tree() == {"sub/done/x/a": b"1", "sub/done/sub/a": b"2"}
    assert len(inbox.shop.runs) == 2


def test_folder_of_moved_files_is_known_under_any_name(opens: Opens, tmp_path: Path) -> None:
    """A target that leads back into the watched folder over another path is not looked through either."""
    (tmp_path / "alias").symlink_to(tmp_path / "inbox")
    inbox = opens(recursive=True, after_success=str(tmp_path / "alias" / "done"))
    inbox.write("a")
    inbox.settle()
    ended(inbox)
    inbox.settle()
    assert set(inbox.tree()) == {"done/a"}
    assert len(inbox.shop.runs) == 1


def test_taken_name_gets_a_number(opens: Opens) -> None:
    """Nothing in the other folder is overwritten, whatever it is."""
    inbox = opens(after_success="done")
    (inbox.folder / "done" / "a-2.csv").mkdir(parents=True)
    (inbox.folder / "done" / "a-3.csv").symlink_to("nowhere")
    for content in (b"1", b"2", b"3"):
        inbox.write("a.csv", content)
        inbox.settle()
        ended(inbox)
    (inbox.folder / "done" / "a-3.csv").unlink()
    assert inbox.tree() == {"done/a.csv": b"1", "done/a-4.csv": b"2", "done/a-5.csv": b"3"}


def test_long_taken_name_is_shortened_for_its_number(opens: Opens) -> None:
    """Names may be as long as the file system takes, in letters of several bytes too."""
    inbox = opens(after_success="done")
    name = "ü" * 125 + ".csv"
    for content in (b"1", b"2"):
        inbox.write(name, content)
        inbox.settle()
        ended(inbox)
    assert inbox.tree() == {f"done/{name}": b"1", f"done/{'ü' * 124}-2.csv": b"2"}


def test_file_that_changed_is_not_moved_but_counts_again(opens: Opens) -> None:
    """The end of a run says nothing about content that it never saw."""
    inbox = opens(after_success="done")
    path = inbox.write("a", b"old")
    inbox.settle()
    path.write_bytes(b"new")
    ended(inbox)
    assert inbox.tree() == {"a": b"new"}
    inbox.settle()
    assert len(inbox.shop.runs) == 2
    ended(inbox)
    assert inbox.tree() == {"done/a": b"new"}


def test_file_that_changed_in_secret_after_the_poll_is_not_moved(opens: Opens) -> None:
    """Size and time as before, but written to: the file stays and counts again."""
    inbox = opens(after_success="done")
    path = inbox.write("a", b"old")
    inbox.settle()
    inbox.shop.end(RunState.SUCCEEDED)
    listing = inbox.watcher._folder.listing

    def write() -> FolderListing:
        found, times = listing(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
        path.write_bytes(b"new")
        os.utime(path, ns=times)
        return found

    inbox.watcher._folder.listing = write  # type: ignore[method-assign]
    inbox.pass_time()
    inbox.poll()
    inbox.watcher._folder.listing = listing  # type: ignore[method-assign]
    assert inbox.tree() == {"a": b"new"}
    inbox.settle()
    assert len(inbox.shop.runs) == 2


def test_file_that_was_touched_is_moved_all_the_same(opens: Opens) -> None:
    """Only content counts: a new date is no new file."""
    inbox = opens(after_success="done")
    path = inbox.write("a")
    inbox.settle()
    os.utime(path, (1, 1))
    ended(inbox)
    ended(inbox)
    assert set(inbox.tree()) == {"done/a"}
    assert len(inbox.shop.runs) == 1


@pytest.mark.parametrize("newer", [False, True], ids=["replaced", "replaced and again"])
def test_file_that_is_replaced_at_the_last_moment_returns(opens: Opens, newer: bool) -> None:
    """A newer file that slipped under the name is put back, beside the newest where that is there already, and counts."""
    inbox = opens(after_success="done")
    path = inbox.write("a.csv", b"old")
    inbox.settle()
    inbox.shop.end(RunState.SUCCEEDED)

    def replace(place: str) -> None:
        if place == "files.stage" or (place == "files.staged" and newer):
            other = inbox.folder / ".other"
            other.write_bytes(place.encode())
            other.rename(path)

    failpoints.install(replace)
    inbox.settle()
    failpoints.install(None)
    inbox.settle()
    there = {"a.csv": b"files.staged", "a-2.csv": b"files.stage"} if newer else {"a.csv": b"files.stage"}
    assert inbox.tree() == there
    assert sorted(inbox.shop.names) == sorted(["a.csv", *there])


def test_failed_file_that_is_put_back_counts_again(opens: Opens) -> None:
    """Moved back by hand it starts another run, under the same key: the old one was released."""
    inbox = opens(after_failure="failed")
    path = inbox.write("a", b"1")
    inbox.settle()
    ended(inbox, RunState.FAILED)
    (inbox.folder / "failed" / "a").rename(path)
    inbox.settle()
    assert [delivery.key for delivery in inbox.shop.runs] == [inbox.shop.runs[0].key] * 2
    ended(inbox, RunState.FAILED)
    assert inbox.tree() == {"failed/a": b"1"}


def test_done_file_that_comes_again_is_moved_without_a_run(opens: Opens) -> None:
    """A sender that sends the same file again is answered by what was done before."""
    inbox = opens(after_success="done")
    for _ in range(2):
        inbox.write("a", b"1")
        inbox.settle()
        ended(inbox)
    assert inbox.tree() == {"done/a": b"1", "done/a-2": b"1"}
    assert len(inbox.shop.runs) == 1


def test_store_that_becomes_unreachable_in_between_leaves_nothing_half_done(opens: Opens) -> None:
    """A failed file whose key could not be released is finished when the store is back."""
    inbox = opens(after_failure="failed")
    inbox.write("a", b"1")
    inbox.settle()
    forget = inbox.shop.forget

    async def away(trigger: str, key: str) -> None:
        raise StoreUnavailableError("it is down")

    inbox.shop.forget = away  # type: ignore[method-assign]
    ended(inbox, RunState.FAILED)
    assert inbox.watcher.state.reason == "the store: it is down"
    inbox.shop.forget = forget  # type: ignore[method-assign]
    inbox.settle()
    assert inbox.shop.forgotten == [inbox.shop.runs[0].key]
    assert inbox.tree() == {"failed/a": b"1"}
    assert inbox.watcher.state.reason is None


def test_target_that_cannot_be_written_leaves_the_file_and_is_reported(opens: Opens) -> None:
    """A file stands where the folder should be: no run is restarted, nothing is lost, and it is fixed by fixing it."""
    inbox = opens(pattern="a", after_failure="failed")
    inbox.write("a", b"1")
    inbox.settle()
    blocking = inbox.write("failed", b"no folder")
    for _ in range(3):
        ended(inbox, RunState.FAILED)
    assert "a is skipped: it cannot be archived: Not a directory" in (inbox.watcher.state.reason or "")
    assert inbox.shop.names == ["a"]
    assert inbox.tree()["a"] == b"1"
    blocking.unlink()
    inbox.pass_time(60)
    inbox.settle()
    assert inbox.tree()["failed/a"] == b"1"
    assert inbox.watcher.state.reason is None


def test_target_below_the_folder_may_be_no_link(opens: Opens, tmp_path: Path) -> None:
    """Who may write into the folder does not get to say where the watcher writes."""
    inbox = opens(after_success="done")
    (tmp_path / "etc").mkdir()
    (inbox.folder / "done").symlink_to(tmp_path / "etc")
    inbox.write("a")
    inbox.settle()
    ended(inbox)
    assert list((tmp_path / "etc").iterdir()) == []
    assert (inbox.folder / "a").exists()


@pytest.mark.parametrize("target", ["../done", "{}/done"])
def test_target_may_lie_outside(opens: Opens, tmp_path: Path, target: str) -> None:
    """Relative paths count from the watched folder, absolute ones stand for themselves; folders are made."""
    inbox = opens(after_success=target.format(tmp_path))
    inbox.write("a")
    inbox.settle()
    ended(inbox)
    assert (tmp_path / "done" / "a").read_bytes() == b"content"


def no_link(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_file_system_without_hard_links_is_served_by_renames(opens: Opens, monkeypatch) -> None:
    """FAT has none, and Linux gives none to files of other users; nothing is overwritten there either."""
    monkeypatch.setattr(os, "link", no_link)
    inbox = opens(after_success="done", after_failure="failed")
    inbox.write("a", b"1")
    inbox.write("done/a", b"0")
    inbox.settle()
    ended(inbox)
    inbox.write("b", b"2")
    inbox.settle()
    ended(inbox, RunState.FAILED)
    assert inbox.tree() == {"done/a": b"0", "done/a-2": b"1", "failed/b": b"2"}
    assert len(inbox.shop.forgotten) == 1


@pytest.fixture
def other_disk(tmp_path: Path) -> Path:
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    made = OTHER_DISK / f"mainspring-{os.getpid()}-{tmp_path.name}"
    made.mkdir()
    return made


def test_file_is_copied_to_another_file_system(opens: Opens, other_disk: Path) -> None:
    """With its time and mode, whole, and never over what is there; a copy that was made before is not made twice."""
    try:
        inbox = opens(after_success=str(other_disk))
        (other_disk / "a").write_bytes(b"0")
        path = inbox.write("a", b"1")
        path.chmod(0o640)
        os.utime(path, (1, 2))
        inbox.settle()
        ended(inbox)
        assert {child.name: child.read_bytes() for child in other_disk.iterdir()} == {"a": b"0", "a-2": b"1"}
        status = (other_disk / "a-2").stat()
        assert (status.st_mtime, status.st_mode & 0o777) == (2, 0o640)
        assert inbox.tree() == {}
    finally:
        for child in other_disk.iterdir():
            child.unlink()
        other_disk.rmdir()


def test_disk_that_is_full_leaves_the_file_and_no_part_of_a_copy(opens: Opens, other_disk: Path, monkeypatch) -> None:
    """What does not fit over there stays here, whole."""
    try:
        inbox = opens(after_success=str(other_disk))
        inbox.write("a", b"1")
        inbox.settle()
        monkeypatch.setattr(
            os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
        )
        ended(inbox)
        assert list(other_disk.iterdir()) == []
        assert inbox.tree() == {"a": b"1"}
        assert "No space left" in (inbox.watcher.state.reason or "")
        assert len(inbox.shop.runs) == 1
    finally:
        other_disk.rmdir()


def test_two_watchers_at_one_folder_move_a_file_once(opens: Opens) -> None:
    """Several schedulers may look at one folder; the one that has the folder's lock moves."""
    inbox = opens(after_success="done", after_failure="failed")
    other = inbox.other_watcher()
    for number in range(20):
        inbox.write(f"{number}", b"%d" % number)
    for _ in range(2):
        inbox.poll(inbox.watcher, other)
        inbox.pass_time()
    inbox.shop.end(RunState.SUCCEEDED, "7")
    inbox.shop.end(RunState.FAILED)

    async def both() -> None:
        import asyncio

        await asyncio.gather(inbox.watcher.poll(), other.poll())

    for _ in range(3):
        inbox.runner.run(both())
        inbox.pass_time()
    other.close()
    assert len(inbox.shop.runs) == 20
    expected = {f"{'done' if n == 7 else 'failed'}/{n}": b"%d" % n for n in range(20)}
    assert inbox.tree() == expected


def test_definition_that_changed_meanwhile_puts_back_what_was_on_its_way(opens: Opens) -> None:
    """A file that was staged for a target that is no more goes back to its place, and counts no second time."""
    inbox = opens(after_failure="failed")
    inbox.write("a", b"1")
    inbox.settle()
    inbox.shop.end(RunState.FAILED)

    def stop(place: str) -> None:
        if place == "files.staged":
            raise KeyboardInterrupt

    failpoints.install(stop)
    inbox.pass_time()
    with pytest.raises(KeyboardInterrupt):
        inbox.poll()
    failpoints.install(None)
    assert "a" not in inbox.tree()
    inbox.files = type(inbox.files).parse(str(inbox.folder))
    inbox.restart()
    inbox.settle()
    inbox.settle()
    assert inbox.tree() == {"a": b"1"}
    assert len(inbox.shop.runs) == 1
    assert inbox.shop.forgotten == []


def test_many_files_are_moved_over_several_polls(opens: Opens, monkeypatch) -> None:
    """What came meanwhile is accepted between; ends are asked for again at once."""
    monkeypatch.setattr("mainspring.triggers.files.file_archiver._MAX_MOVED", 100)
    inbox = opens(after_success="delete")
    for number in range(250):
        inbox.write(f"{number}", b"%d" % number)
    inbox.settle()
    inbox.shop.end(RunState.SUCCEEDED)
    left: list[int] = []
    for _ in range(3):
        inbox.pass_time(0 if left else 10)
        inbox.poll()
        left.append(len(inbox.tree()))
    assert left == [150, 50, 0]
