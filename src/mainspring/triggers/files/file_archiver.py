"""The archiver of a watched folder: moves files after their runs ended."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.triggers.watched_folder import KEEP
from mainspring.domain.values.file import make_file_key
from mainspring.store import failpoints
from mainspring.triggers.files.blocking_thread import BlockingThread
from mainspring.triggers.files.file_archive import FAILURE, SUCCESS, FileArchive, StagedFile
from mainspring.triggers.files.folder import FileChangedError, FileStamp, FolderReader, error_reason
from mainspring.triggers.files.seen_files import RETRY_AFTER_MS, SeenFiles

_QUERY_BATCH_SIZE = 500
_MOVE_BATCH_SIZE = 50
_MAX_MOVED = 1_000
"""Most files that are moved in one poll; the rest follows in the next."""
_QUERY_EVERY_MS = 2_000
_PAUSE_PER_QUERY_MS = 100


class DeliveryOutcomeReader(Protocol):
    """Reads the outcomes of accepted deliveries."""

    async def ended(self, trigger: str, keys: Sequence[str]) -> Mapping[str, RunState]:
        """Return the states of those runs that ended, by the keys of the deliveries that started them."""
        ...

    async def forget(self, trigger: str, key: str) -> None:
        """Release a key, so that it counts again. A missing key is no error."""
        ...


class _MoveOutcome(NamedTuple):
    """The outcome of one move: placed; or still in place, with this stamp and a reason; or neither: it changed or does not exist."""

    staged: StagedFile
    is_placed: bool = False
    reason: str = ""
    stamp: FileStamp | None = None


class FileArchiver:
    """Moves the files of one watcher. If the store is unreachable it raises and leaves all files for the next poll."""

    def __init__(
        self,
        trigger: str,
        folder: FolderReader,
        seen: SeenFiles,
        ends: DeliveryOutcomeReader,
        clock: Clock,
        thread: BlockingThread,
    ) -> None:
        self._trigger = trigger
        self._folder = folder
        self._archive = FileArchive(folder, trigger, thread.report_progress)
        self._seen = seen
        self._ends = ends
        self._clock = clock
        self._thread = thread
        self._is_needed = any(target != KEEP for target in self._archive.targets.values())
        self._may_have_leftovers = True
        """A process, maybe this one, may have left half-moved files."""
        self._queried_at = self._query_at = 0

    @property
    def next_at(self) -> int | None:
        """When run ends are queried again; None while no run is awaited."""
        return self._query_at if self._is_needed and self._seen.awaited() else None

    def expect_leftovers(self) -> None:
        """Check once for half-moved files, because the folder is available again."""
        self._may_have_leftovers = True

    def stop(self) -> None:
        """Release the folder's lock after the current work."""
        self._thread.post(self._archive.unlock)

    async def move_ended_files(self) -> None:
        """Move the files whose runs ended.

        Raises:
            MainspringError: the store is unreachable.
            OSError: no file can be moved in this folder.
        """
        if self._may_have_leftovers:
            if not await self._thread.do(self._archive.has_leftovers):
                self._may_have_leftovers = False
            elif await self._locked():
                try:
                    await self._settle(await self._thread.do(lambda: list(map(self._place, self._archive.leftovers()))))
                finally:
                    self._thread.post(self._archive.unlock)
        if self._is_needed and not self._queried_at <= self._clock.now() < self._query_at:
            files_to_move = await self._ended()
            if len(files_to_move) > _MAX_MOVED:
                self._query_at = self._queried_at
            if files_to_move and await self._locked():
                try:
                    for first in range(0, min(len(files_to_move), _MAX_MOVED), _MOVE_BATCH_SIZE):
                        await self._move(files_to_move[first : first + _MOVE_BATCH_SIZE])
                finally:
                    self._thread.post(self._archive.unlock)

    async def _locked(self) -> bool:
        """Try to take the folder's lock; if another watcher has it, the next poll tries again."""
        try:
            return await self._thread.do(self._archive.lock)
        except BaseException:
            self._thread.post(self._archive.unlock)
            raise

    async def _ended(self) -> list[StagedFile]:
        """Query run ends, and return the files to move."""
        now, awaited = self._clock.now(), self._seen.awaited()
        keys = list(awaited)
        ended: dict[str, RunState] = {}
        for first in range(0, len(keys), _QUERY_BATCH_SIZE):
            ended.update(await self._ends.ended(self._trigger, keys[first : first + _QUERY_BATCH_SIZE]))
        self._queried_at = now
        self._query_at = now + _QUERY_EVERY_MS + len(keys) // _QUERY_BATCH_SIZE * _PAUSE_PER_QUERY_MS
        files_to_move = []
        for key, state in ended.items():
            if key not in awaited or state not in TERMINAL_STATES:
                continue
            verb = SUCCESS if state is RunState.SUCCEEDED else FAILURE
            seen = self._seen[awaited[key]]
            if self._archive.targets[verb] == KEEP:
                seen.is_over = state is not RunState.FAILED  # a failed run may be resumed, and succeed
            elif seen.again_at <= now:
                files_to_move.append(StagedFile(verb, seen.sha256, awaited[key]))
        return files_to_move

    async def _move(self, files_to_move: Sequence[StagedFile]) -> None:
        stamps = [self._seen[staged.path].stamp for staged in files_to_move]
        self._may_have_leftovers = True
        await self._settle(await self._thread.do(lambda: list(map(self._stage_and_place, files_to_move, stamps))))

    async def _settle(self, outcomes: Sequence[_MoveOutcome]) -> None:
        """Release the keys of failed files, then remove the staged names, which are the list of unfinished moves."""
        placed = [outcome.staged for outcome in outcomes if outcome.is_placed]
        for outcome in outcomes:
            if outcome.stamp is None:
                self._seen.forget(outcome.staged.path)
            else:
                self._seen.postpone_unchanged(
                    outcome.staged.path, outcome.stamp, outcome.reason, self._clock.now() + RETRY_AFTER_MS
                )
        released = [staged for staged in placed if staged.verb == FAILURE and self._archive.targets[FAILURE] != KEEP]
        await asyncio.gather(
            *(self._ends.forget(self._trigger, make_file_key(staged.path, staged.sha256)) for staged in released)
        )
        failpoints.hit("files.forgotten")
        await self._thread.do(lambda: self._clear(placed))
        self._may_have_leftovers = any(outcome.reason for outcome in outcomes)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _stage_and_place(self, staged: StagedFile, stamp: FileStamp) -> _MoveOutcome:
        """Stage and place one file."""
        self._thread.report_progress()
        try:
            self._archive.stage(staged, stamp)
        except FileChangedError:
            return _MoveOutcome(staged)
        except OSError as error:
            return _MoveOutcome(staged, reason=f"it cannot be archived: {error_reason(error)}", stamp=stamp)
        return self._place(staged)

    def _clear(self, placed: Sequence[StagedFile]) -> None:
        for staged in placed:
            self._archive.clear(staged)

    def _place(self, staged: StagedFile) -> _MoveOutcome:
        """Place a staged file, or put it back if that fails."""
        try:
            self._archive.place(staged)
        except OSError as error:
            self._archive.put_back(staged)
            return _MoveOutcome(
                staged,
                reason=f"it cannot be archived: {error_reason(error)}",
                stamp=self._folder.read_stamp(staged.path),
            )
        return _MoveOutcome(staged, is_placed=True)
