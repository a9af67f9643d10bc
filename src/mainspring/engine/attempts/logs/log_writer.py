"""The log writer: sends the log lines of a worker's runs to the store.

Role: gathers encoded lines by run and submits them in chunks: at most once a second, sooner when there are many, and at the end of each
attempt. Invariants: nothing waits for submitted lines, and each run has at most one open command; while the store is unreachable,
lines are kept up to a limit, the oldest are dropped first, and the next chunk has their number. Used in the loop's thread.
"""

import asyncio
import logging
from collections import deque
from itertools import groupby

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.log_chunk import CHUNK_BYTES, DEFAULT_MAX_LINES, MAX_RUN_BYTES, LogChunk, pack_lines
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import Store
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import CommandDone, Refused

_LOG = logging.getLogger("mainspring.worker")
_FLUSH_EVERY_S = 1.0
_MAX_PENDING_BYTES = 16 * 1024 * 1024


class _EncodedLine(msgspec.Struct, frozen=True):
    ident: str
    attempt: int
    at: int
    data: bytes


class _PendingLines:
    """The lines of one run that are not submitted yet. `skipped` = number of lines lost before the first of them."""

    __slots__ = ("is_due", "is_sending", "lines", "size", "skipped")

    def __init__(self) -> None:
        self.lines: deque[_EncodedLine] = deque()
        self.size = 0
        self.skipped = 0
        self.is_sending = self.is_due = False


class LogWriter:
    """Submits lines. `most_lines` = most lines that the store keeps of a run; 0 = none."""

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
        self._logged_error: str | None = None

    @property
    def is_off(self) -> bool:
        """Whether no line is stored."""
        return not self._most_lines

    def add(self, run: str, ident: str, attempt: int, at: int, data: bytes) -> None:
        """Add an encoded line of a run, of this attempt of a step ("" and 0 = of its body)."""
        if self.is_off:
            return
        pending = self._runs.get(run)
        if pending is None:
            pending = self._runs[run] = _PendingLines()
        pending.lines.append(_EncodedLine(ident, attempt, at, data))
        pending.size += len(data)
        self._size += len(data)
        while pending.size > MAX_RUN_BYTES or len(pending.lines) > self._most_lines:
            self._drop(pending)
        while self._size > _MAX_PENDING_BYTES:
            self._drop(max(self._runs.values(), key=lambda lines: lines.size))
        if pending.size >= CHUNK_BYTES:
            self.flush(run)
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_EVERY_S, self._flush_all)

    def flush(self, run: str) -> None:
        """Submit the lines of a run; if a command of it is open, as soon as that is answered."""
        pending = self._runs.get(run)
        if pending is None or not pending.lines:
            return
        if pending.is_sending:
            pending.is_due = True
            return
        try:
            chunks = self._chunks(pending)
        except MainspringError as error:  # the codec fails: lines that cannot be sealed are not stored
            self._log_error(error)
            del self._runs[run]
            self._size -= pending.size
            return
        self._size -= pending.size
        pending.lines.clear()
        pending.size = pending.skipped = 0
        pending.is_due, pending.is_sending = False, True
        command = SaveLogs(run, chunks, most_lines=self._most_lines)
        self._store.submit(command, lambda result: self._sent(run, result))

    def close(self) -> None:
        """Submit all lines; no line comes after this."""
        if self._timer is not None:
            self._timer.cancel()
        for run, pending in list(self._runs.items()):
            pending.is_sending = False  # its answer may come too late
            self.flush(run)

    def _flush_all(self) -> None:
        self._timer = None
        for run in list(self._runs):
            self.flush(run)

    def _chunks(self, pending: _PendingLines) -> tuple[LogChunk, ...]:
        """Return the lines as chunks: each is of one attempt, and at most one line larger than CHUNK_BYTES."""
        chunks: list[LogChunk] = []
        for (ident, attempt), group in groupby(pending.lines, lambda line: (line.ident, line.attempt)):
            lines: list[_EncodedLine] = []
            size = 0
            for line in group:
                lines.append(line)
                size += len(line.data)
                if size >= CHUNK_BYTES:
                    chunks.append(self._chunk(ident, attempt, lines, size))
                    lines, size = [], 0
            if lines:
                chunks.append(self._chunk(ident, attempt, lines, size))
        if pending.skipped:
            chunks[0] = msgspec.structs.replace(chunks[0], skipped=pending.skipped)
        return tuple(chunks)

    def _chunk(self, ident: str, attempt: int, lines: list[_EncodedLine], size: int) -> LogChunk:
        return LogChunk(
            ident=ident,
            attempt=attempt,
            first_at=lines[0].at,
            last_at=max(line.at for line in lines),
            lines=len(lines),
            size=size,
            body=self._sealing.seal_inline(pack_lines([line.data for line in lines])),
        )

    def _drop(self, pending: _PendingLines) -> None:
        line = pending.lines.popleft()
        pending.skipped += 1
        pending.size -= len(line.data)
        self._size -= len(line.data)

    def _sent(self, run: str, result: CommandDone | Refused | BaseException) -> None:
        """Handle the answer: drop a run without lines; log an error once."""
        pending = self._runs.get(run)
        if pending is None:
            return
        pending.is_sending = False
        self._log_error(result if isinstance(result, Exception) else None)
        if pending.is_due:
            self.flush(run)
        elif not pending.lines:
            del self._runs[run]

    def _log_error(self, error: Exception | None) -> None:
        previous, self._logged_error = self._logged_error, None if error is None else str(error)
        if self._logged_error is not None and self._logged_error != previous:
            _LOG.error("lines of log are lost: %s", self._logged_error)
