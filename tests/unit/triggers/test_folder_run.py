"""The watcher as a task: it looks by itself, sooner on a hint, and ends when it is asked to."""

import asyncio
import builtins
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import FencedError
from mainspring.domain.states import RunState
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.files.file_archive import StagedFile
from mainspring.triggers.files.folder import FileStamp
from mainspring.triggers.files.folder_watcher import FolderWatcher, is_change_hint
from tests.unit.triggers.inbox import Shop

TIMEOUT_S = 60


class Running:
    """A watcher that runs on the real clock."""

    def __init__(self, folder: Path, every: str, **options: object) -> None:
        self.shop = Shop()
        self.reports: list[ReportConsumer] = []
        self.reported = asyncio.Event()
        files = WatchedFolder.parse(str(folder), settle="0s", every=every, **options)  # type: ignore[arg-type]
        self.watcher = FolderWatcher("in/files", files, self.shop, self.shop, self._report, SystemClock())

    def _report(self, state: ReportConsumer) -> None:
        self.reports.append(state)
        self.reported.set()

    async def until(self, event: asyncio.Event) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await event.wait()
        event.clear()

    async def do(self, act: Callable[["Running"], Awaitable[None]]) -> None:
        task = asyncio.create_task(self.watcher.run())
        try:
            await act(self)
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


def run(folder: Path, act: Callable[[Running], Awaitable[None]], every: str = "1h", **options: object) -> None:
    async def main() -> None:
        await Running(folder, every, **options).do(act)

    asyncio.run(main())


@pytest.fixture
def without_watchfiles(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def absent(name: str, *arguments: object) -> object:
        if name == "watchfiles":
            raise ImportError(name)
        return whole(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)


def test_watcher_without_hints_polls_from_time_to_time(tmp_path: Path, without_watchfiles: None) -> None:
    """Without the extra the periodic look is all there is, and enough."""

    async def act(running: Running) -> None:
        await running.until(running.reported)
        (tmp_path / "a").write_bytes(b"1")
        await running.until(running.shop.accepted)
        assert running.shop.names == ["a"]

    run(tmp_path, act, every="100ms")


async def take(running: Running, folder: Path, name: bytes) -> None:
    """Write the file until it is accepted: no one tells when the watcher has begun."""
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    async with asyncio.timeout(TIMEOUT_S):
        while name.decode(errors="replace") not in running.shop.names:
            path.write_bytes(name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await running.shop.accepted.wait()
            running.shop.accepted.clear()


def test_hint_makes_the_poll_come_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra an hour between looks is no hour of waiting.

    The end of a watcher is a hint too; since none begins again here, it would be one for all three files.
    """
    pytest.importorskip("watchfiles")
    monkeypatch.setattr("mainspring.triggers.files.folder_watcher._FIRST_PAUSE_S", 3600.0)

    async def act(running: Running) -> None:
        await running.until(running.reported)
        for name in (b"a", b"b", b"c"):
            await take(running, tmp_path, name)
        assert set(running.shop.names) == {"a", "b", "c"}

    run(tmp_path, act)


def test_hints_continue_after_a_name_that_ends_the_watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are of any bytes."""
    pytest.importorskip("watchfiles")
    monkeypatch.setattr("mainspring.triggers.files.folder_watcher._FIRST_PAUSE_S", 0.1)

    async def act(running: Running) -> None:
        await running.until(running.reported)
        for name in (b"a", b"caf\xe9", b"b"):
            await take(running, tmp_path, name)
        assert set(running.shop.names) == {"a", "caf\ufffd", "b"}

    run(tmp_path, act)


def test_woken_watcher_polls(tmp_path: Path, without_watchfiles: None) -> None:
    """Anyone who knows more may say so."""

    async def act(running: Running) -> None:
        await running.until(running.reported)
        (tmp_path / "a").write_bytes(b"1")
        running.watcher.wake()
        await running.until(running.shop.accepted)
        assert running.shop.names == ["a"]

    run(tmp_path, act)


def test_ends_are_read_between_polls(tmp_path: Path, without_watchfiles: None, monkeypatch) -> None:
    """A file does not wait for the next look to be moved when its run has ended."""
    monkeypatch.setattr("mainspring.triggers.files.file_archiver._QUERY_EVERY_MS", 50)
    (tmp_path / "a").write_bytes(b"1")

    async def act(running: Running) -> None:
        await running.until(running.shop.accepted)
        running.shop.end(RunState.FAILED)
        async with asyncio.timeout(TIMEOUT_S):
            while not running.shop.forgotten:
                await asyncio.wait([asyncio.create_task(running.reported.wait())], timeout=0.05)
        assert (tmp_path / "failed" / "a").read_bytes() == b"1"

    run(tmp_path, act, after_failure="failed")


def test_watcher_outlives_a_folder_that_goes_and_comes(tmp_path: Path) -> None:
    """The task continues, tells, and accepts again."""
    folder = tmp_path / "in"

    async def act(running: Running) -> None:
        await running.until(running.reported)
        assert running.reports[-1].unreachable_at is not None
        folder.mkdir()
        await running.until(running.reported)
        assert running.reports[-1].connected_at is not None
        (folder / "a").write_bytes(b"1")
        await running.until(running.shop.accepted)

    run(folder, act, every="100ms")


def test_fault_in_a_poll_does_not_end_the_watcher(tmp_path: Path, without_watchfiles: None, caplog) -> None:
    """What no one foresaw is logged, and the next look comes."""
    (tmp_path / "a").write_bytes(b"1")

    async def main() -> None:
        running = Running(tmp_path, "100ms")
        poll, faults = running.watcher.poll, [RuntimeError("oops")]

        async def faulty() -> None:
            if faults:
                raise faults.pop()
            await poll()

        running.watcher.poll = faulty  # type: ignore[method-assign]
        await running.do(lambda running: running.until(running.shop.accepted))

    asyncio.run(main())
    assert "reading the folder failed" in caplog.text


def test_fenced_watcher_ends(tmp_path: Path, without_watchfiles: None) -> None:
    """Who was declared dead leaves the folder to others."""
    (tmp_path / "a").write_bytes(b"1")

    async def main() -> None:
        running = Running(tmp_path, "100ms")
        running.shop.faults = [FencedError("declared dead")]
        async with asyncio.timeout(TIMEOUT_S):
            await running.watcher.run()

    with pytest.raises(FencedError):
        asyncio.run(main())


def test_folder_that_hangs_is_reported_and_holds_no_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that does not answer is away since then; the loop continues, the end of the process does not wait for it."""
    monkeypatch.setattr("mainspring.triggers.files.folder_watcher._SILENCE_TIMEOUT_S", 0.01)

    async def main() -> None:
        import threading

        answers = threading.Event()
        running = Running(tmp_path, "100ms")
        listing = running.watcher._folder.listing
        running.watcher._folder.listing = lambda: (answers.wait(), listing())[1]  # type: ignore[method-assign]

        async def act(running: Running) -> None:
            await running.until(running.reported)
            assert running.reports[-1].unreachable_at is not None
            assert "does not answer" in (running.reports[-1].reason or "")
            answers.set()
            await running.until(running.reported)
            assert running.reports[-1].connected_at is not None

        await running.do(act)

    asyncio.run(main())


def test_move_that_hangs_is_reported_although_the_listing_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no writes answers a listing: the folder is away as soon as the move of a file does not return."""
    monkeypatch.setattr("mainspring.triggers.files.folder_watcher._SILENCE_TIMEOUT_S", 0.01)
    (tmp_path / "a").write_bytes(b"1")

    async def main() -> None:
        import threading

        started, answers = threading.Event(), threading.Event()
        running = Running(tmp_path, "100ms", after_success="done")
        archive = running.watcher._archiver._archive
        stage = archive.stage

        def hang(staged: StagedFile, stamp: FileStamp) -> None:
            started.set()
            answers.wait()
            stage(staged, stamp)

        archive.stage = hang  # type: ignore[method-assign]

        async def until(fact: Callable[[], object]) -> None:
            async with asyncio.timeout(TIMEOUT_S):
                while not fact():
                    await asyncio.sleep(0.01)

        async def act(running: Running) -> None:
            await running.until(running.shop.accepted)
            running.shop.end(RunState.SUCCEEDED)
            await until(started.is_set)
            await until(lambda: "does not answer" in (running.watcher.state.reason or ""))
            assert running.watcher.state.unreachable_at is not None
            answers.set()
            await until((tmp_path / "done" / "a").exists)
            await until(lambda: running.watcher.state.connected_at is not None)

        await running.do(act)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "is_hint"),
    [
        ("/in/a", True),
        ("/in/done", False),
        ("/in/done/a", False),
        ("/in/done.csv", True),
        ("/in/.mainspring/x/y", False),
    ],
)
def test_watcher_does_not_wake_itself_by_its_own_moves(path: str, is_hint: bool) -> None:
    """What happens below the folders of what was moved is no hint."""
    assert is_change_hint(path, ["/in/done", "/in/.mainspring"]) is is_hint
