"""Which files are to be moved aside, and doing it: the part of a folder's desk that begins when runs end."""

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
"""Files that are moved at one look; the rest follows at the next."""
_QUERY_EVERY_MS = 2_000
_PAUSE_PER_QUERY_MS = 100


class DeliveryOutcomeReader(Protocol):
    """Knows what became of what was taken in."""

    async def ended(self, trigger: str, keys: Sequence[str]) -> Mapping[str, RunState]:
        """Return the states of those runs that ended, by the keys of the deliveries that started them."""
        ...

    async def forget(self, trigger: str, key: str) -> None:
        """Let a key count anew. What is forgotten already, or was never there, is no error."""
        ...


class _MoveOutcome(NamedTuple):
    """What became of one file: placed; or still where it was, with this mark, and why; or none of it: it changed, or is gone."""

    staged: StagedFile
    is_placed: bool = False
    why: str = ""
    mark: FileStamp | None = None


class FileArchiver:
    """Moves the files of one desk. What it raises when the store is away leaves all as it is, for the next time."""

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
        self._aside = FileArchive(folder, trigger, thread.report_progress)
        self._seen = seen
        self._ends = ends
        self._clock = clock
        self._thread = thread
        self._is_needed = any(target != KEEP for target in self._aside.targets.values())
        self._may_be_left = True
        """Somebody, maybe this desk, may have left files on their way."""
        self._asked_at = self._ask_at = 0

    @property
    def next_at(self) -> int | None:
        """When ends are asked for again; None while there is nothing to ask for."""
        return self._ask_at if self._is_needed and self._seen.awaited() else None

    def expect_leftovers(self) -> None:
        """The folder is there again: look once for what was left on its way."""
        self._may_be_left = True

    def stop(self) -> None:
        """Let go of the folder, after what is under way."""
        self._thread.post(self._aside.unlock)

    async def look(self) -> None:
        """Move what can be moved.

        Raises:
            MainspringError: the store is away.
            OSError: nothing can be moved in this folder.
        """
        if self._may_be_left:
            if not await self._thread.do(self._aside.has_leftovers):
                self._may_be_left = False
            elif await self._locked():
                try:
                    await self._settle(await self._thread.do(lambda: list(map(self._place, self._aside.leftovers()))))
                finally:
                    self._thread.post(self._aside.unlock)
        if self._is_needed and not self._asked_at <= self._clock.now() < self._ask_at:
            wanted = await self._ended()
            if len(wanted) > _MAX_MOVED:
                self._ask_at = self._asked_at
            if wanted and await self._locked():
                try:
                    for first in range(0, min(len(wanted), _MAX_MOVED), _MOVE_BATCH_SIZE):
                        await self._move(wanted[first : first + _MOVE_BATCH_SIZE])
                finally:
                    self._thread.post(self._aside.unlock)

    async def _locked(self) -> bool:
        """Take the folder's lock; if another desk has it, it will be free at the next look."""
        try:
            return await self._thread.do(self._aside.lock)
        except BaseException:
            self._thread.post(self._aside.unlock)
            raise

    async def _ended(self) -> list[StagedFile]:
        """Ask for ends, and return what is to be moved for them."""
        now, awaited = self._clock.now(), self._seen.awaited()
        keys = list(awaited)
        ended: dict[str, RunState] = {}
        for first in range(0, len(keys), _QUERY_BATCH_SIZE):
            ended.update(await self._ends.ended(self._trigger, keys[first : first + _QUERY_BATCH_SIZE]))
        self._asked_at = now
        self._ask_at = now + _QUERY_EVERY_MS + len(keys) // _QUERY_BATCH_SIZE * _PAUSE_PER_QUERY_MS
        wanted = []
        for key, state in ended.items():
            if key not in awaited or state not in TERMINAL_STATES:
                continue
            verb = SUCCESS if state is RunState.SUCCEEDED else FAILURE
            seen = self._seen[awaited[key]]
            if self._aside.targets[verb] == KEEP:
                seen.is_over = state is not RunState.FAILED  # a failed run may be continued, and succeed
            elif seen.again_at <= now:
                wanted.append(StagedFile(verb, seen.sha256, awaited[key]))
        return wanted

    async def _move(self, wanted: Sequence[StagedFile]) -> None:
        marks = [self._seen[staged.path].mark for staged in wanted]
        self._may_be_left = True
        await self._settle(await self._thread.do(lambda: list(map(self._take_away, wanted, marks))))

    async def _settle(self, outcomes: Sequence[_MoveOutcome]) -> None:
        """Let the keys of failed files count anew, then take the staged names away: those tell what is still to be done."""
        placed = [outcome.staged for outcome in outcomes if outcome.is_placed]
        for outcome in outcomes:
            if outcome.mark is None:
                self._seen.forget(outcome.staged.path)
            else:
                self._seen.stays(outcome.staged.path, outcome.mark, outcome.why, self._clock.now() + RETRY_AFTER_MS)
        free = [one for one in placed if one.verb == FAILURE and self._aside.targets[FAILURE] != KEEP]
        await asyncio.gather(*(self._ends.forget(self._trigger, make_file_key(one.path, one.sha256)) for one in free))
        failpoints.hit("files.forgotten")
        await self._thread.do(lambda: self._clear(placed))
        self._may_be_left = any(outcome.why for outcome in outcomes)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _take_away(self, staged: StagedFile, mark: FileStamp) -> _MoveOutcome:
        """Stage and place one file."""
        self._thread.report_progress()
        try:
            self._aside.stage(staged, mark)
        except FileChangedError:
            return _MoveOutcome(staged)
        except OSError as error:
            return _MoveOutcome(staged, why=f"it cannot be moved aside: {error_reason(error)}", mark=mark)
        return self._place(staged)

    def _clear(self, placed: Sequence[StagedFile]) -> None:
        for staged in placed:
            self._aside.clear(staged)

    def _place(self, staged: StagedFile) -> _MoveOutcome:
        """Place a staged file; what cannot be placed is put back."""
        try:
            self._aside.place(staged)
        except OSError as error:
            self._aside.put_back(staged)
            return _MoveOutcome(
                staged, why=f"it cannot be moved aside: {error_reason(error)}", mark=self._folder.mark(staged.path)
            )
        return _MoveOutcome(staged, is_placed=True)
