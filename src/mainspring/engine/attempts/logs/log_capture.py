"""While it is installed, what the code of steps logs and prints belongs to their attempts.

Role: a handler of the standard library's logging and wrappers of `sys.stdout` and `sys.stderr` look at the context variable of the
attempt; outside of a step everything goes where it went before. Invariants: nothing raised here reaches the code that logs or prints;
loggers of our own are left out, for what they say is about the attempt and not of it.
"""

import contextlib
import logging
import sys
import threading
from typing import Any, TextIO

from mainspring.domain.runs.log_chunk import MAX_RUN_BYTES
from mainspring.domain.runs.log_line import STREAM_LEVELS, Level, bound_fields
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.attempt_reports import LogReport
from mainspring.engine.attempts.logs.line_splitter import MAX_LINE_BYTES
from mainspring.engine.attempts.step_context import CURRENT_STEP, AttemptClosed, StepContext

_OWN_LOGGER = "mainspring"
_STANDARD_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_FORMATTER = logging.Formatter()
_print_lock = threading.Lock()


class StepLogHandler(logging.Handler):
    """Hands the records of steps over. `is_out` = this process's own output has them too."""

    def __init__(self, *, is_out: bool) -> None:
        super().__init__()
        self._is_out = is_out

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        last = logging.lastResort if self._is_out and logging.getLogger().handlers == [self] else None
        if last is not None and record.levelno >= last.level:  # without us it would have been heard
            last.handle(record)
        step = CURRENT_STEP.get()
        if step is None or record.name.partition(".")[0] == _OWN_LOGGER:
            return
        try:
            text = _text_of(record)
            fields = bound_fields({name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS})
            level = Level.of(record.levelno)
            step.channel.post(
                LogReport(
                    level, escape(text, MAX_LINE_BYTES), fields, logger=escape(record.name, 200), is_out=self._is_out
                )
            )
        except AttemptClosed:  # nobody hears it any more
            return
        except Exception:  # noqa: BLE001 - as each handler does: arguments that do not fit their format
            self.handleError(record)


class StepStream:
    """A stream in front of another one: lines of steps are handed over. `beside` = the other one gets them too."""

    def __init__(self, inner: TextIO, name: str, *, beside: bool) -> None:
        self.inner = inner
        self._name = name
        self._beside = beside

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __iter__(self) -> Any:
        return iter(self.inner)

    def write(self, text: str) -> int:
        """Write text; returns its length."""
        step = CURRENT_STEP.get()
        if step is None or _is_captured_record(sys._getframe(1)):  # noqa: SLF001 - who writes is known from nowhere else
            return self.inner.write(text)
        if self._beside:
            self.inner.write(text)
        post_printed_text(step, self._name, text, is_out=self._beside)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)


def post_printed_text(step: StepContext, stream: str, text: str, *, is_out: bool) -> None:
    """Hand over the whole lines of what a step has printed so far; the rest waits for its end."""
    text = str(text)
    if (left_out := len(text) - MAX_RUN_BYTES) > 0:  # no run keeps more
        text = f"{text[:MAX_RUN_BYTES]}\n--- {left_out:,} characters of one print are left out here: a run keeps no more ---"
    *lines, rest = text.split("\n")
    with _print_lock:  # a step may print from several threads
        before = step.printed.get((stream, is_out), "")
        if lines:
            lines[0] = before + lines[0]
        else:
            rest = before + rest
        keep_from = len(rest) - 1 - (len(rest) - 1) % MAX_LINE_BYTES if rest else 0
        step.printed[stream, is_out] = rest[keep_from:]
    if keep_from:
        lines.append(rest[:keep_from])
    with contextlib.suppress(AttemptClosed):
        for line in lines:
            for start in range(0, len(line) or 1, MAX_LINE_BYTES):
                piece = line[start : start + MAX_LINE_BYTES].removesuffix("\r")
                step.channel.post(LogReport(STREAM_LEVELS[stream], escape(piece), stream=stream, is_out=is_out))


def post_last_lines(step: StepContext) -> None:
    """Hand over the last line of each stream, which has no end."""
    for (stream, is_out), rest in list(step.printed.items()):
        if rest:
            post_printed_text(step, stream, "\n", is_out=is_out)


class OutputCapture:
    """What is installed in this process, once, however many engines work in it: to whom a line belongs is told by its context."""

    def __init__(self) -> None:
        self._users = 0
        self._handler = StepLogHandler(is_out=True)
        self._lock = threading.Lock()

    def begin(self, *, beside: bool) -> None:
        """Install it. `beside` = what steps print is still written where it was, as in a program of the user's; the first one decides."""
        with self._lock:
            self._users += 1
            logging.getLogger().addHandler(self._handler)
            for name in STREAM_LEVELS:
                stream = getattr(sys, name)
                if stream is not None and not isinstance(stream, StepStream):
                    setattr(sys, name, StepStream(stream, name, beside=beside))

    def end(self) -> None:
        """Take it away with its last user."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            logging.getLogger().removeHandler(self._handler)
            for name in STREAM_LEVELS:
                stream = getattr(sys, name)
                if isinstance(stream, StepStream):
                    setattr(sys, name, stream.inner)


OUTPUT_CAPTURE = OutputCapture()
"""That of this process."""


def install_capture_in_child(level: int) -> None:
    """Have the records of steps handed over in a child; what it prints goes through pipes that the worker reads."""
    root = logging.getLogger()
    root.addHandler(StepLogHandler(is_out=False))
    root.setLevel(level)


def _text_of(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{_FORMATTER.formatException(record.exc_info)}"
    return text if not record.stack_info else f"{text}\n{record.stack_info}"


def _is_captured_record(frame: Any) -> bool:
    """Tell whether a handler of the standard library writes a record that reaches our own handler: it is not to be kept twice."""
    while frame.f_globals.get("__name__") == "traceback" and frame.f_back is not None:
        frame = frame.f_back  # a handler that fails reports itself so: that is no line of the step either
    if frame.f_globals.get("__name__") != "logging":
        return False
    record = frame.f_locals.get("record")
    logger: logging.Logger | None = logging.getLogger(getattr(record, "name", None))
    while logger is not None and logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True
