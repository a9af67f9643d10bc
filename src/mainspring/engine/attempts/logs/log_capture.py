"""Capture of logs and prints: while it is installed, lines of steps belong to their attempts.

Role: a handler of the standard library's logging and wrappers of `sys.stdout` and `sys.stderr` read the context variable of the
attempt; outside of a step all output goes where it went before, without known secrets. Invariants: nothing raised here reaches the
code that logs or prints; Mainspring's own loggers are excluded, because their lines are about the attempt, not of it.
"""

import contextlib
import logging
import sys
import threading
from typing import Any, TextIO

from mainspring.domain.redaction.redactor import TextRedactor
from mainspring.domain.runs.log_chunk import MAX_RUN_BYTES
from mainspring.domain.runs.log_line import STREAM_LEVELS, Level, bound_fields
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.attempt_reports import LogReport
from mainspring.engine.attempts.logs.line_splitter import MAX_LINE_BYTES
from mainspring.engine.attempts.step_context import CURRENT_STEP, AttemptClosed, StepContext
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.process_output import redact_log_records, redact_stream

_OWN_LOGGER = "mainspring"
_STANDARD_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_FORMATTER = logging.Formatter()
_print_lock = threading.Lock()


class StepLogHandler(logging.Handler):
    """Posts the records of steps. `is_out` = they are in this process's own output too."""

    def __init__(self, *, is_out: bool) -> None:
        super().__init__()
        self._is_out = is_out

    def emit(self, record: logging.LogRecord) -> None:
        """Post a record if it belongs to a step."""
        last = logging.lastResort if self._is_out and logging.getLogger().handlers == [self] else None
        if last is not None and record.levelno >= last.level:  # without this handler it would have been written
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
        except AttemptClosed:  # the attempt is closed: the line is dropped
            return
        except Exception:  # noqa: BLE001 - like any handler: arguments may not fit their format
            self.handleError(record)


class StepStream:
    """A stream in front of another one: posts the lines of steps. `echo` = the other stream gets them too."""

    is_redacted = True
    """Whether no secret reaches the other stream."""

    def __init__(self, inner: TextIO, name: str, *, echo: bool) -> None:
        self.inner = inner
        self._write_redacted = redact_stream(inner)
        self._name = name
        self._echo = echo

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __iter__(self) -> Any:
        return iter(self.inner)

    def write(self, text: str) -> int:
        """Write text; returns its length."""
        step = CURRENT_STEP.get()
        if step is None:
            return self.inner.write(text)
        if _is_captured_record(sys._getframe(1)):  # noqa: SLF001 - only the frame shows the writer
            self._write_redacted(KNOWN_SECRETS.redact(text))
            return len(text)
        if self._echo:
            with _print_lock:
                _, redactor = step.echoes.setdefault(self._name, (self._write_redacted, TextRedactor()))
                visible = redactor.feed(KNOWN_SECRETS.redactor, str(text))
            self._write_redacted(visible)
        post_printed_text(step, self._name, text, is_out=self._echo)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)


def post_printed_text(step: StepContext, stream: str, text: str, *, is_out: bool) -> None:
    """Post the complete lines that a step has printed; the rest waits for the end of its line."""
    text = str(text)
    if (left_out := len(text) - MAX_RUN_BYTES) > 0:  # no run stores more
        text = (
            f"{text[:MAX_RUN_BYTES]}\n--- {left_out:,} characters of one print are left out: over the limit "
            "of a run ---"
        )
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
    """Post the last, unfinished line of each stream, and write what waits for its continuation."""
    for (stream, is_out), rest in list(step.printed.items()):
        if rest:
            post_printed_text(step, stream, "\n", is_out=is_out)
    for write, redactor in step.echoes.values():
        if held := redactor.end():
            write(held)


class OutputCapture:
    """The capture of this process, installed once for all its engines: the context of a line decides to which attempt it belongs."""

    def __init__(self) -> None:
        self._users = 0
        self._handler = StepLogHandler(is_out=True)
        self._lock = threading.Lock()

    def begin(self, *, echo: bool) -> None:
        """Install it. `echo` = prints of steps are still written to the original stream, as in a user's program; the first user decides."""
        with self._lock:
            self._users += 1
            logging.getLogger().addHandler(self._handler)
            for name in STREAM_LEVELS:
                stream = getattr(sys, name)
                if stream is not None and not isinstance(stream, StepStream):
                    capturing = StepStream(stream, name, echo=echo)
                    setattr(sys, name, capturing)
                    if echo:
                        _redirect_handlers(stream, capturing)

    def end(self) -> None:
        """Remove it with its last user."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            logging.getLogger().removeHandler(self._handler)
            for name in STREAM_LEVELS:
                stream = getattr(sys, name)
                if isinstance(stream, StepStream):
                    setattr(sys, name, stream.inner)
                    _redirect_handlers(stream, stream.inner)


OUTPUT_CAPTURE = OutputCapture()
"""The capture of this process."""


def install_capture_in_child(level: int) -> None:
    """Post the records of steps in a child; its prints go through pipes that the worker reads."""
    redact_log_records()
    root = logging.getLogger()
    root.addHandler(StepLogHandler(is_out=False))
    root.setLevel(level)


def _redirect_handlers(stream: Any, to: Any) -> None:
    """Let handlers that write to one stream write to another: they may be older than the capture."""
    for logger in (logging.getLogger(), *logging.Logger.manager.loggerDict.values()):
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                handler.setStream(to)


def _text_of(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{_FORMATTER.formatException(record.exc_info)}"
    return text if not record.stack_info else f"{text}\n{record.stack_info}"


def _is_captured_record(frame: Any) -> bool:
    """Return whether a standard library handler writes a record that reaches StepLogHandler too: it must not be stored twice."""
    while frame.f_globals.get("__name__") == "traceback" and frame.f_back is not None:
        frame = frame.f_back  # a failing handler reports itself like this, which is no line of the step either
    if frame.f_globals.get("__name__") != "logging":
        return False
    record = frame.f_locals.get("record")
    logger: logging.Logger | None = logging.getLogger(getattr(record, "name", None))
    while logger is not None and logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True
