"""The watcher of one folder: accepts each content at each path once, and archives files when their runs have ended.

Invariants: only listings are reliable, hints just make them come sooner; a file counts if it was the same in two listings `settle`
apart and while it was hashed; an accepted file has the key (path, hash), so the store recognizes repeats by other watchers or after
a restart; a file is moved only if it still is the accepted one. A watcher that is killed at any point continues from there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NoReturn

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.extras import install_command
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.files.blocking_thread import BlockingThread
from mainspring.triggers.files.file_archiver import DeliveryOutcomeReader, FileArchiver
from mainspring.triggers.files.file_intake import FileIntake
from mainspring.triggers.files.folder import STAGING, FolderListing, FolderReader, error_reason, printable_path
from mainspring.triggers.files.seen_files import SeenFiles
from mainspring.triggers.intake import DeliveryAcceptor

_LOG = logging.getLogger("mainspring.files")
_SILENCE_TIMEOUT_S = 60.0
_MIN_REST_S = 0.1
_REST_FACTOR = 4
"""The watcher pauses four times as long as the listing took, even if it gets hints."""
_MAX_REPORTED, _MAX_LOGGED = 3, 100

_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 60.0


class FolderWatcher:
    """`run` accepts files until it is cancelled. `files.folder` is absolute.

    `report` is called with each change of its state, and must not block; `reason` = why the folder is unreachable, or which files are
    excluded. `poll` is one poll, for callers with another clock.
    """

    def __init__(
        self,
        trigger: str,
        files: WatchedFolder,
        intake: DeliveryAcceptor,
        ends: DeliveryOutcomeReader,
        report: Callable[[ReportConsumer], None],
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._trigger = trigger
        self._files = files
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._folder = FolderReader(files)
        self._thread = BlockingThread()
        self._seen = SeenFiles(files.settle)
        self._intake = FileIntake(trigger, self._folder, self._seen, intake, clock, self._thread)
        self._archiver = FileArchiver(trigger, self._folder, self._seen, ends, clock, self._thread)
        self._left_out: dict[str, str] = {}
        self._logged_problems: set[tuple[str, str]] = set()
        self._identity: tuple[int, int] | None = None
        """Identity of the folder that was listed last."""
        self._is_there = False
        self._hint: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._listed_for_ms = 0
        self._move_problem: str | None = None
        """Why no file can be archived."""
        self.state = ReportConsumer(trigger, None, clock.now(), "it has not read the folder yet")

    async def run(self) -> NoReturn:
        """Poll without end.

        Raises:
            FencedError: this process may write nothing more.
        """
        poll_at = self._clock.now()
        watch = asyncio.create_task(self._report_silence())
        try:
            while True:
                started_at = self._clock.now()
                try:
                    if not poll_at - self._files.every <= started_at < poll_at or self._woken.is_set():
                        self._woken.clear()
                        await self.poll()
                        poll_at = self._next_poll_at(started_at)
                        self._watch_hints()
                    elif self._is_there:
                        await self._move()
                        self._report_problems()
                except FencedError:
                    raise
                except Exception:  # noqa: BLE001  a defect of Mainspring must not end the polling
                    _LOG.exception("trigger %s: reading the folder failed", self._trigger)
                    poll_at = self._clock.now() + self._files.every
                await self._rest(poll_at)
        finally:
            watch.cancel()
            if self._hint is not None:
                self._hint.cancel()
            self.close()

    def wake(self) -> None:
        """Poll soon."""
        self._woken.set()

    def close(self) -> None:
        """End the thread after the current work."""
        self._archiver.stop()
        self._thread.close()

    async def poll(self) -> None:
        """Poll once: accept ripe files, move those whose runs ended, report the state.

        Raises:
            FencedError: this process may write nothing more.
        """
        started_at = self._clock.now()
        listing = await self._list()
        if listing is not None:
            now = self._clock.now()
            self._listed_for_ms = now - started_at
            self._seen.compare(listing.files, now)
            self._left_out = listing.left_out
            await self._intake.accept_ripe_files(started_at)
            await self._move()
            self._report_problems()

    # -- listing -------------------------------------------------------------------------------------------------------

    async def _list(self) -> FolderListing | None:
        """List the folder; None if it is unreachable."""
        try:
            listing = await self._thread.do(self._folder.listing)
        except OSError as error:
            self._report_unreachable(error_reason(error))
            return None
        if listing.folder != self._identity:
            self._identity = listing.folder
            self._seen.forget_all()
            self._is_there = False
            self._drop_hint()
        if not self._is_there:
            self._is_there = True
            self._archiver.expect_leftovers()
        return listing

    async def _report_silence(self) -> NoReturn:
        """Report the folder as unreachable while a call does not return: a listing, the reading of a file, or its move."""
        while True:
            await asyncio.sleep(_SILENCE_TIMEOUT_S / 4)
            if self._thread.silent_for >= _SILENCE_TIMEOUT_S:
                self._report_unreachable("it does not answer")

    def _report_unreachable(self, reason: str) -> None:
        self._drop_hint()
        self._is_there = False
        since = self._clock.now() if self.state.unreachable_at is None else self.state.unreachable_at
        self._set(ReportConsumer(self._trigger, None, since, f"{printable_path(self._files.folder)}: {reason}"))

    def _report_problems(self) -> None:
        """Report the state, and log new problems and excluded files."""
        left_out = {**self._left_out, **dict(self._seen.left_out())}
        lines = [problem for problem in (self._intake.outage, self._move_problem) if problem]
        problems = {("", problem) for problem in lines} | left_out.items()
        for path, reason in sorted(problems - self._logged_problems)[:_MAX_LOGGED]:
            _LOG.warning(
                "trigger %s: %s", self._trigger, f"{printable_path(path)} is skipped: {reason}" if path else reason
            )
        self._logged_problems = problems
        lines += [
            f"{printable_path(path)} is skipped: {reason}" for path, reason in sorted(left_out.items())[:_MAX_REPORTED]
        ]
        if len(left_out) > _MAX_REPORTED:
            lines.append(f"{len(left_out) - _MAX_REPORTED} more are skipped")
        since = self._clock.now() if self.state.connected_at is None else self.state.connected_at
        self._set(ReportConsumer(self._trigger, since, None, "; ".join(lines) or None))

    def _set(self, state: ReportConsumer) -> None:
        if state != self.state:
            self.state = state
            self._report(state)

    # -- resting ------------------------------------------------------------------------------------------------------

    async def _move(self) -> None:
        self._move_problem = None
        try:
            await self._archiver.move_ended_files()
        except FencedError:
            raise
        except MainspringError as error:
            self._move_problem = f"the store: {error.message}"
        except OSError as error:
            self._move_problem = f"no file can be archived: {error_reason(error)}"

    def _next_poll_at(self, started_at: int) -> int:
        """Return when to poll again without a hint."""
        if self._intake.has_more:
            return started_at
        ripe_at = self._seen.next_at()
        soonest = started_at + self._files.every
        return soonest if ripe_at is None else min(soonest, max(ripe_at, self._intake.held_until_at))

    async def _rest(self, poll_at: int) -> None:
        if self._intake.has_more:
            return
        rest_ms = min(self._listed_for_ms * _REST_FACTOR, self._files.every)
        await self._sleep(max(_MIN_REST_S, rest_ms / 1000))
        self._listed_for_ms = 0
        query_at = self._archiver.next_at if self._is_there else None
        until_at = poll_at if query_at is None else min(poll_at, query_at)
        try:
            rest_ms = min(max(until_at - self._clock.now(), 0), self._files.every)
            async with asyncio.timeout(rest_ms / 1000):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _watch_hints(self) -> None:
        """Watch for hints of the listed folder."""
        if self._hint is None and self._is_there:
            asides = (self._files.after_success, self._files.after_failure, STAGING)
            self._hint = asyncio.create_task(
                watch_changes(
                    self._files.folder,
                    self.wake,
                    recursive=self._files.recursive,
                    ignored=[self._folder.absolute(path) for path in asides],
                    sleep=self._sleep,
                )
            )

    def _drop_hint(self) -> None:
        if self._hint is not None:
            self._hint.cancel()
            self._hint = None


async def watch_changes(
    folder: str,
    wake: Callable[[], None],
    *,
    recursive: bool,
    ignored: Sequence[str],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `wake` when something changes in the folder, except below the `ignored` paths. Return if the extra is missing.

    The watcher ends on names that are not UTF-8, on deleted folders, or if the kernel has no watches left: each end is a hint too.
    """
    try:
        from watchfiles import awatch  # noqa: PLC0415 - an extra
    except ImportError:
        _LOG.info("%s is only read from time to time: %s", folder, install_command("watch"))
        return
    own = [str(Path(path)) for path in ignored]
    pause = _FIRST_PAUSE_S
    while True:
        try:
            changes = awatch(
                folder,
                recursive=recursive,
                watch_filter=lambda _, path: is_change_hint(path, own),
                debounce=50,
                step=10,
            )
            async for _change in changes:
                wake()
                pause = _FIRST_PAUSE_S
        except Exception as error:  # noqa: BLE001  after any error the folder is still polled
            _LOG.debug("no hints for %s: %s", folder, error)
        wake()
        await sleep(pause)
        pause = min(pause * 2, _MAX_PAUSE_S)


def is_change_hint(path: str, ignored: Sequence[str]) -> bool:
    """Return whether a change of `path` is a hint: it is below none of the ignored paths."""
    return not any(path == folder or path.startswith(f"{folder}/") for folder in ignored)
