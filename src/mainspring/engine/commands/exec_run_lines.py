"""The lines of an exec run's command, as chunks: reported while it runs, within limits, without blocking it.

The first lines are reported as they arrive. Of the later output only the newest bytes are kept, and split into lines after the attempt:
a command that prints gigabytes is not slowed down. Invariants: at most `MAX_RUN_BYTES` of an attempt are reported, and no more are kept
here; of very many short lines not many more are split than a run stores.
"""

from collections import deque
from collections.abc import Callable

from mainspring.domain.clock import Clock
from mainspring.domain.redaction.redactor import LineRedactor
from mainspring.domain.runs.log_chunk import CHUNK_BYTES, DEFAULT_MAX_LINES, MAX_RUN_BYTES, LogChunk, pack_lines
from mainspring.domain.runs.log_line import STREAM_LEVELS, LogLine, fit_line
from mainspring.engine.attempts.logs.line_splitter import LineSplitter
from mainspring.resources.known_secrets import KNOWN_SECRETS

_FLUSH_EVERY_MS = 1_000
_MAX_LIVE_BYTES = MAX_RUN_BYTES // 8
_MAX_TAIL_BYTES = MAX_RUN_BYTES // 4


class ExecRunLines:
    """Collects the lines of one step's attempts. `on_part` is called in the thread that runs the command."""

    def __init__(self, ident: str, step: str, clock: Clock, on_part: Callable[[LogChunk], None]) -> None:
        self._ident = ident
        self._step = step
        self._clock = clock
        self._on_part = on_part
        self._reported_at = clock.now()
        self._begin()

    def _begin(self) -> None:
        self._splitters = {name: LineSplitter() for name in STREAM_LEVELS}
        self._redactors = {name: LineRedactor() for name in STREAM_LEVELS}
        self._lines: list[tuple[int, bytes]] = []
        self._size = self._read = self._line_count = self._skipped = self._tail_size = 0
        self._tail: deque[tuple[int, str, bytes]] = deque()
        self._torn: set[str] = set()

    def take(self, attempt: int, stream: str, data: bytes) -> None:
        """Add the next output of an attempt."""
        now = self._clock.now()
        if self._read > _MAX_LIVE_BYTES or self._line_count > DEFAULT_MAX_LINES:
            self._tail.append((now, stream, data))
            self._tail_size += len(data)
            while self._tail_size - len(self._tail[0][2]) > _MAX_TAIL_BYTES:
                self._drop()
            return
        self._read += len(data)
        self._line_count += data.count(b"\n")
        self._cut(attempt, now, stream, data)
        if now - self._reported_at >= _FLUSH_EVERY_MS:
            self._report(attempt)

    def end(self, attempt: int) -> None:
        """Report the remaining lines of an ended attempt."""
        ends = sum(data.count(b"\n") for _, _, data in self._tail)
        while self._tail and ends - (first := self._tail[0][2].count(b"\n")) >= DEFAULT_MAX_LINES:
            ends -= first
            self._drop()
        for at, stream, data in self._tail:
            self._cut(attempt, at, stream, self._after_gap(stream, data))
        now = self._clock.now()
        for stream, splitter in self._splitters.items():
            lines = [
                out for text in splitter.end() for out in self._redactors[stream].feed(KNOWN_SECRETS.redactor, text)
            ]
            self._keep(attempt, now, stream, lines + self._redactors[stream].end(KNOWN_SECRETS.redactor))
        self._report(attempt)
        self._begin()

    def _drop(self) -> None:
        """Drop the oldest bytes."""
        _, stream, data = self._tail.popleft()
        self._tail_size -= len(data)
        self._skipped += data.count(b"\n")
        self._torn.add(stream)

    def _after_gap(self, stream: str, data: bytes) -> bytes:
        """Return the output after a gap without the partial lines around it, which may contain part of a secret."""
        if stream not in self._torn:
            return data
        self._torn.discard(stream)
        self._splitters[stream] = LineSplitter()
        _, ended, rest = data.partition(b"\n")
        self._skipped += len(ended)
        return rest if ended else data

    def _cut(self, attempt: int, at: int, stream: str, data: bytes) -> None:
        for text in self._splitters[stream].feed(data):
            self._keep(attempt, at, stream, self._redactors[stream].feed(KNOWN_SECRETS.redactor, text))

    def _keep(self, attempt: int, at: int, stream: str, texts: list[str]) -> None:
        for text in texts:
            _, line = fit_line(LogLine(at=at, level=STREAM_LEVELS[stream], text=text, stream=stream, step=self._step))
            self._lines.append((at, line))
            self._size += len(line)
            if self._size >= CHUNK_BYTES:
                self._report(attempt)

    def _report(self, attempt: int) -> None:
        self._reported_at = self._clock.now()
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        size, self._size = self._size, 0
        skipped, self._skipped = self._skipped, 0
        part = LogChunk(
            ident=self._ident,
            attempt=attempt,
            first_at=lines[0][0],
            last_at=lines[-1][0],
            lines=len(lines),
            size=size,
            body=pack_lines([data for _, data in lines]),
            skipped=skipped,
        )
        self._on_part(part)
