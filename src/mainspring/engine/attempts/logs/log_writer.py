"""Lines of a worker's runs on their way to the store.

Role: gathers encoded lines by run and hands them over in parts: at most once a second, sooner when many came, and at the end of each
attempt. Invariants: nothing waits for what is handed over, and of each run one command at a time is on its way; while the store is away
lines are kept up to a bound, the oldest go first, and the next part says how many. Used in the loop's thread.
"""

import asyncio
import logging
from collections import deque
from itertools import groupby
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.log_chunk import CHUNK_BYTES, DEFAULT_MAX_LINES, MAX_RUN_BYTES, LogChunk, pack_lines
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import Store
from mainspring.store.commands.logs import SaveLogs

_LOG = logging.getLogger("mainspring.worker")
_FLUSH_EVERY_S = 1.0
_MAX_PENDING_BYTES = 16 * 1024 * 1024


class _EncodedLine(msgspec.Struct, frozen=True):
    ident: str
    attempt: int
    at: int
    data: bytes


class _PendingLines:
    """The lines of one run that are not handed over yet. `skipped` = lost before the first of them."""

    __slots__ = ("due", "lines", "on_way", "size", "skipped")

    def __init__(self) -> None:
        self.lines: deque[_EncodedLine] = deque()
        self.size = 0
        self.skipped = 0
        self.on_way = self.due = False


class LogWriter:
    """`most_lines` = how many lines the store keeps of a run; 0 = none."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: Store, sealing: Sealing, most_lines: int = DEFAULT_MAX_LINES
    ) -> None:
        self._loop = loop
        self._store = store
        self._sealing = sealing
        self._most_lines = most_lines
        self._runs: dict[str, _PendingLines] = {}
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._told: str | None = None

    @property
    def is_off(self) -> bool:
        """Whether no line is kept."""
        return not self._most_lines

    def add(self, run: str, ident: str, attempt: int, at: int, data: bytes) -> None:
        """Take an encoded line of a run, of this attempt of a step ("" and 0 = of its body)."""
        if self.is_off:
            return
        waiting = self._runs.get(run)
        if waiting is None:
            waiting = self._runs[run] = _PendingLines()
        waiting.lines.append(_EncodedLine(ident, attempt, at, data))
        waiting.size += len(data)
        self._size += len(data)
        while waiting.size > MAX_RUN_BYTES or len(waiting.lines) > self._most_lines:
            self._drop(waiting)
        while self._size > _MAX_PENDING_BYTES:
            self._drop(max(self._runs.values(), key=lambda one: one.size))
        if waiting.size >= CHUNK_BYTES:
            self.hand_over(run)
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_EVERY_S, self._hand_all_over)

    def hand_over(self, run: str) -> None:
        """Hand over what there is of a run; while something of it is on its way, as soon as that has arrived."""
        waiting = self._runs.get(run)
        if waiting is None or not waiting.lines:
            return
        if waiting.on_way:
            waiting.due = True
            return
        try:
            parts = self._parts(waiting)
        except MainspringError as error:  # the codec fails: what cannot be sealed is not stored
            self._tell(error)
            del self._runs[run]
            self._size -= waiting.size
            return
        self._size -= waiting.size
        waiting.lines.clear()
        waiting.size = waiting.skipped = 0
        waiting.due, waiting.on_way = False, True
        command = SaveLogs(run, parts, most_lines=self._most_lines)
        self._store.submit(command, lambda result: self._arrived(run, result))

    def close(self) -> None:
        """Hand over everything; nothing comes after it."""
        if self._timer is not None:
            self._timer.cancel()
        for run, waiting in list(self._runs.items()):
            waiting.on_way = False  # its answer may come too late for us
            self.hand_over(run)

    def _hand_all_over(self) -> None:
        self._timer = None
        for run in list(self._runs):
            self.hand_over(run)

    def _parts(self, waiting: _PendingLines) -> tuple[LogChunk, ...]:
        """Return the lines as parts: each is of one attempt, and no larger than a line beyond PART_BYTES."""
        parts: list[LogChunk] = []
        for (ident, attempt), group in groupby(waiting.lines, lambda line: (line.ident, line.attempt)):
            lines: list[_EncodedLine] = []
            size = 0
            for line in group:
                lines.append(line)
                size += len(line.data)
                if size >= CHUNK_BYTES:
                    parts.append(self._part(ident, attempt, lines, size))
                    lines, size = [], 0
            if lines:
                parts.append(self._part(ident, attempt, lines, size))
        if waiting.skipped:
            parts[0] = msgspec.structs.replace(parts[0], skipped=waiting.skipped)
        return tuple(parts)

    def _part(self, ident: str, attempt: int, lines: list[_EncodedLine], size: int) -> LogChunk:
        return LogChunk(
            ident=ident,
            attempt=attempt,
            first_at=lines[0].at,
            last_at=max(line.at for line in lines),
            lines=len(lines),
            size=size,
            body=self._sealing.seal(pack_lines([line.data for line in lines])),
        )

    def _drop(self, waiting: _PendingLines) -> None:
        line = waiting.lines.popleft()
        waiting.skipped += 1
        waiting.size -= len(line.data)
        self._size -= len(line.data)

    def _arrived(self, run: str, result: Any) -> None:
        """Take the answer: of a run that is gone nothing is kept, a fault is told once."""
        waiting = self._runs.get(run)
        if waiting is None:
            return
        waiting.on_way = False
        self._tell(result if isinstance(result, Exception) else None)
        if waiting.due:
            self.hand_over(run)
        elif not waiting.lines:
            del self._runs[run]

    def _tell(self, error: Exception | None) -> None:
        told, self._told = self._told, None if error is None else str(error)
        if self._told is not None and self._told != told:
            _LOG.error("lines of log are lost: %s", self._told)
