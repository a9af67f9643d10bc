"""What a wrapped command prints, as parts of lines: told while it runs, within bounds, without making it wait.

The beginning is told as it comes. Of what follows only bytes are kept, the newest, and made lines when the attempt has ended: a command
that prints gigabytes is not held up. Invariants: at most `MOST_BYTES` of an attempt are told, and no more kept here; of very many short
lines not many more are made than a run keeps.
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
    """The lines of the attempts of one step. `on_part` is called in the thread that runs the command."""

    def __init__(self, ident: str, step: str, clock: Clock, on_part: Callable[[LogChunk], None]) -> None:
        self._ident = ident
        self._step = step
        self._clock = clock
        self._on_part = on_part
        self._told_at = clock.now()
        self._begin()

    def _begin(self) -> None:
        self._cutters = {name: LineSplitter() for name in STREAM_LEVELS}
        self._redacting = {name: LineRedactor() for name in STREAM_LEVELS}
        self._lines: list[tuple[int, bytes]] = []
        self._size = self._read = self._begun = self._skipped = self._kept = 0
        self._last: deque[tuple[int, str, bytes]] = deque()
        self._torn: set[str] = set()

    def take(self, attempt: int, stream: str, data: bytes) -> None:
        """Take what an attempt printed next."""
        now = self._clock.now()
        if self._read > _MAX_LIVE_BYTES or self._begun > DEFAULT_MAX_LINES:
            self._last.append((now, stream, data))
            self._kept += len(data)
            while self._kept - len(self._last[0][2]) > _MAX_TAIL_BYTES:
                self._drop()
            return
        self._read += len(data)
        self._begun += data.count(b"\n")
        self._cut(attempt, now, stream, data)
        if now - self._told_at >= _FLUSH_EVERY_MS:
            self._tell(attempt)

    def end(self, attempt: int) -> None:
        """Tell what is left of an attempt that has ended."""
        ends = sum(data.count(b"\n") for _, _, data in self._last)
        while self._last and ends - (first := self._last[0][2].count(b"\n")) >= DEFAULT_MAX_LINES:
            ends -= first
            self._drop()
        for at, stream, data in self._last:
            self._cut(attempt, at, stream, self._mended(stream, data))
        now = self._clock.now()
        for stream, cutter in self._cutters.items():
            lines = [out for text in cutter.end() for out in self._redacting[stream].feed(KNOWN_SECRETS.redactor, text)]
            self._keep(attempt, now, stream, lines + self._redacting[stream].end(KNOWN_SECRETS.redactor))
        self._tell(attempt)
        self._begin()

    def _drop(self) -> None:
        """Let go of the oldest bytes."""
        _, stream, data = self._last.popleft()
        self._kept -= len(data)
        self._skipped += data.count(b"\n")
        self._torn.add(stream)

    def _mended(self, stream: str, data: bytes) -> bytes:
        """Return what is told after a gap: half a line before it and half a line behind it are no line, and may be half a secret."""
        if stream not in self._torn:
            return data
        self._torn.discard(stream)
        self._cutters[stream] = LineSplitter()
        _, ended, rest = data.partition(b"\n")
        self._skipped += len(ended)
        return rest if ended else data

    def _cut(self, attempt: int, at: int, stream: str, data: bytes) -> None:
        for text in self._cutters[stream].feed(data):
            self._keep(attempt, at, stream, self._redacting[stream].feed(KNOWN_SECRETS.redactor, text))

    def _keep(self, attempt: int, at: int, stream: str, texts: list[str]) -> None:
        for text in texts:
            _, line = fit_line(LogLine(at=at, level=STREAM_LEVELS[stream], text=text, stream=stream, step=self._step))
            self._lines.append((at, line))
            self._size += len(line)
            if self._size >= CHUNK_BYTES:
                self._tell(attempt)

    def _tell(self, attempt: int) -> None:
        self._told_at = self._clock.now()
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
