"""The desk of one watched folder: takes in each content at each path once, and moves files aside when their runs have ended.

Invariants: the look is the truth, hints only make it come sooner; a file counts when it was the same at two looks `settle` apart and
while it was hashed; what is taken in comes under (path, hash), so the store tells what came before, whoever else looks, and whatever
this desk forgot; a file is moved only while it is what was taken in. A desk that is killed anywhere goes on where it was.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.files.blocking_thread import BlockingThread
from mainspring.triggers.files.change_hints import watch_changes
from mainspring.triggers.files.file_archiver import DeliveryOutcomeReader, FileArchiver
from mainspring.triggers.files.file_intake import FileIntake
from mainspring.triggers.files.folder import STAGING, FolderListing, FolderReader, error_reason, printable_path
from mainspring.triggers.files.seen_files import SeenFiles
from mainspring.triggers.intake import DeliveryAcceptor

_LOG = logging.getLogger("mainspring.files")
_SILENCE_TIMEOUT_S = 60.0
_MIN_REST_S = 0.1
_REST_FACTOR = 4
"""The desk rests four times as long as it took to look through the folder, even if it gets hints."""
_MAX_REPORTED, _MAX_LOGGED = 3, 100


class FolderWatcher:
    """`run` it for as long as files are to be taken in; cancel it to stop. `files.folder` is absolute.

    `report` is told each change of how it stands, and must not block; `why` = why the folder is away, or what is left out although it is
    not. `look` is one look, for whoever has another clock.
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
        self._moves = FileArchiver(trigger, self._folder, self._seen, ends, clock, self._thread)
        self._left_out: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()
        self._identity: tuple[int, int] | None = None
        """Which folder was looked at last, there or not."""
        self._is_there = False
        self._hint: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._listed_for_ms = 0
        self._trouble: str | None = None
        """Why nothing can be moved aside."""
        self.state = ReportConsumer(trigger, None, clock.now(), "it has not looked yet")

    async def run(self) -> NoReturn:
        """Look for ever.

        Raises:
            FencedError: this process may write nothing more.
        """
        look_at = self._clock.now()
        watch = asyncio.create_task(self._report_silence())
        try:
            while True:
                began = self._clock.now()
                try:
                    if not look_at - self._files.every <= began < look_at or self._woken.is_set():
                        self._woken.clear()
                        await self.look()
                        look_at = self._next_look_at(began)
                        self._follow()
                    elif self._is_there:
                        await self._move()
                        self._tell()
                except FencedError:
                    raise
                except Exception:  # noqa: BLE001  a fault of ours must not end the looks
                    _LOG.exception("trigger %s: a look failed", self._trigger)
                    look_at = self._clock.now() + self._files.every
                await self._rest(look_at)
        finally:
            watch.cancel()
            if self._hint is not None:
                self._hint.cancel()
            self.close()

    def wake(self) -> None:
        """Look soon."""
        self._woken.set()

    def close(self) -> None:
        """End the thread, after what is under way."""
        self._moves.stop()
        self._thread.close()

    async def look(self) -> None:
        """Look once: take in what is ripe, move what has ended, tell how it stands.

        Raises:
            FencedError: this process may write nothing more.
        """
        began = self._clock.now()
        listing = await self._list()
        if listing is not None:
            now = self._clock.now()
            self._listed_for_ms = now - began
            self._seen.compare(listing.files, now)
            self._left_out = listing.left_out
            await self._intake.look(began)
            await self._move()
            self._tell()

    # -- looking -------------------------------------------------------------------------------------------------------

    async def _list(self) -> FolderListing | None:
        """Look through the folder; None where it is away."""
        try:
            listing = await self._thread.do(self._folder.listing)
        except OSError as error:
            self._is_away(error_reason(error))
            return None
        if listing.folder != self._identity:
            self._identity = listing.folder
            self._seen.forget_all()
            self._is_there = False
            self._drop_hint()
        if not self._is_there:
            self._is_there = True
            self._moves.expect_leftovers()
        return listing

    async def _report_silence(self) -> NoReturn:
        """Report the folder away while one call to it does not return: a listing, the reading of a file, or its move."""
        while True:
            await asyncio.sleep(_SILENCE_TIMEOUT_S / 4)
            if self._thread.silent_for >= _SILENCE_TIMEOUT_S:
                self._is_away("it does not answer")

    def _is_away(self, why: str) -> None:
        self._drop_hint()
        self._is_there = False
        since = self._clock.now() if self.state.away_since is None else self.state.away_since
        self._set(ReportConsumer(self._trigger, None, since, f"{printable_path(self._files.folder)}: {why}"))

    def _tell(self) -> None:
        """Report how it stands, and log what is in the way or left out from now on."""
        left_out = {**self._left_out, **dict(self._seen.left_out())}
        said = [trouble for trouble in (self._intake.trouble, self._trouble) if trouble]
        told = {("", trouble) for trouble in said} | left_out.items()
        for path, why in sorted(told - self._told)[:_MAX_LOGGED]:
            _LOG.warning("trigger %s: %s", self._trigger, f"{printable_path(path)} is left out: {why}" if path else why)
        self._told = told
        said += [f"{printable_path(path)} is left out: {why}" for path, why in sorted(left_out.items())[:_MAX_REPORTED]]
        if len(left_out) > _MAX_REPORTED:
            said.append(f"{len(left_out) - _MAX_REPORTED} more are left out")
        since = self._clock.now() if self.state.connected_at is None else self.state.connected_at
        self._set(ReportConsumer(self._trigger, since, None, "; ".join(said) or None))

    def _set(self, state: ReportConsumer) -> None:
        if state != self.state:
            self.state = state
            self._report(state)

    # -- resting ------------------------------------------------------------------------------------------------------

    async def _move(self) -> None:
        self._trouble = None
        try:
            await self._moves.look()
        except FencedError:
            raise
        except MainspringError as error:
            self._trouble = f"the store: {error.message}"
        except OSError as error:
            self._trouble = f"no file can be moved aside: {error_reason(error)}"

    def _next_look_at(self, began: int) -> int:
        """Return when to look again without a hint."""
        if self._intake.has_more:
            return began
        ripe_at = self._seen.next_at()
        soonest = began + self._files.every
        return soonest if ripe_at is None else min(soonest, max(ripe_at, self._intake.held_until_at))

    async def _rest(self, look_at: int) -> None:
        if self._intake.has_more:
            return
        rest_ms = min(self._listed_for_ms * _REST_FACTOR, self._files.every)
        await self._sleep(max(_MIN_REST_S, rest_ms / 1000))
        self._listed_for_ms = 0
        asks_at = self._moves.next_at if self._is_there else None
        until_at = look_at if asks_at is None else min(look_at, asks_at)
        try:
            rest_ms = min(max(until_at - self._clock.now(), 0), self._files.every)
            async with asyncio.timeout(rest_ms / 1000):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _follow(self) -> None:
        """Have hints of the folder that was looked at."""
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
