"""What a wrapped command prints, as parts of lines: told while it runs, within bounds, without making it wait.

The beginning is told as it comes. Of what follows only bytes are kept, the newest, and made lines when the attempt has ended: a command
that prints gigabytes is not held up. Invariants: at most `MOST_BYTES` of an attempt are told, and no more kept here; of very many short
lines not many more are made than a run keeps.
"""

from collections import deque
from collections.abc import Callable

from mainspring.domain.clock import Clock
from mainspring.domain.log_line import OF_STREAM, LogLine, fitted
from mainspring.domain.log_part import MOST_BYTES, MOST_LINES, PART_BYTES, Part, packed
from mainspring.domain.redaction import LineRedactor
from mainspring.engine.line_cutter import LineCutter
from mainspring.resources.hidden import HIDDEN

_EVERY_MS = 1_000
_AS_IT_COMES = MOST_BYTES // 8
_LAST_BYTES = MOST_BYTES // 4


class WrappedLines:
    """The lines of the attempts of one step. `on_part` is called in the thread that runs the command."""

    def __init__(self, ident: str, step: str, clock: Clock, on_part: Callable[[Part], None]) -> None:
        self._ident = ident
        self._step = step
        self._clock = clock
        self._on_part = on_part
        self._told_at = clock.now()
        self._begin()

    def _begin(self) -> None:
        self._cutters = {name: LineCutter() for name in OF_STREAM}
        self._redacting = {name: LineRedactor() for name in OF_STREAM}
        self._lines: list[tuple[int, bytes]] = []
        self._size = self._read = self._begun = self._skipped = self._kept = 0
        self._last: deque[tuple[int, str, bytes]] = deque()
        self._torn: set[str] = set()

    def take(self, attempt: int, stream: str, data: bytes) -> None:
        """Take what an attempt printed next."""
        now = self._clock.now()
        if self._read > _AS_IT_COMES or self._begun > MOST_LINES:
            self._last.append((now, stream, data))
            self._kept += len(data)
            while self._kept - len(self._last[0][2]) > _LAST_BYTES:
                self._drop()
            return
        self._read += len(data)
        self._begun += data.count(b"\n")
        self._cut(attempt, now, stream, data)
        if now - self._told_at >= _EVERY_MS:
            self._tell(attempt)

    def end(self, attempt: int) -> None:
        """Tell what is left of an attempt that has ended."""
        ends = sum(data.count(b"\n") for _, _, data in self._last)
        while self._last and ends - (first := self._last[0][2].count(b"\n")) >= MOST_LINES:
            ends -= first
            self._drop()
        for at, stream, data in self._last:
            self._cut(attempt, at, stream, self._mended(stream, data))
        now = self._clock.now()
        for stream, cutter in self._cutters.items():
            lines = [out for text in cutter.end() for out in self._redacting[stream].feed(HIDDEN.redactor, text)]
            self._keep(attempt, now, stream, lines + self._redacting[stream].end(HIDDEN.redactor))
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
        self._cutters[stream] = LineCutter()
        _, ended, rest = data.partition(b"\n")
        self._skipped += len(ended)
        return rest if ended else data

    def _cut(self, attempt: int, at: int, stream: str, data: bytes) -> None:
        for text in self._cutters[stream].feed(data):
            self._keep(attempt, at, stream, self._redacting[stream].feed(HIDDEN.redactor, text))

    def _keep(self, attempt: int, at: int, stream: str, texts: list[str]) -> None:
        for text in texts:
            _, line = fitted(LogLine(at=at, level=OF_STREAM[stream], text=text, stream=stream, step=self._step))
            self._lines.append((at, line))
            self._size += len(line)
            if self._size >= PART_BYTES:
                self._tell(attempt)

    def _tell(self, attempt: int) -> None:
        self._told_at = self._clock.now()
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        size, self._size = self._size, 0
        skipped, self._skipped = self._skipped, 0
        part = Part(
            ident=self._ident,
            attempt=attempt,
            first_at=lines[0][0],
            last_at=lines[-1][0],
            lines=len(lines),
            size=size,
            body=packed([data for _, data in lines]),
            skipped=skipped,
        )
        self._on_part(part)
