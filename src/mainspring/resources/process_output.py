"""The output of this process without known secrets: what any code and thread writes to its standard streams, and texts of log records.

Role: a process that runs steps calls `redact_process_output` before it loads code of users, and again after. The `write` of a stream
object is replaced, not the object, so code that kept the stream (a handler of logging, `sys.__stderr__`) and the hooks for uncaught
errors are covered. Invariant: a line is written when it ends, unless its end may be most of a value. Bytes that do not pass these
objects are not covered: `sys.stdout.buffer`, `os.write`, C code, files that code opens itself.
"""

import atexit
import functools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from mainspring.domain.redaction.redactor import Redactor, TextRedactor
from mainspring.resources.known_secrets import KNOWN_SECRETS


class _RedactedWrite:
    """The `write` of a stream. It takes no lock: a signal handler, or a finalizer, may print while the same thread prints."""

    is_exiting = False
    """Whether no write may follow, so that no text waits."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self.unredacted = write
        self.waiting: dict[int, TextRedactor] = {}
        """By thread: the text that its next write may continue."""

    def __call__(self, text: str) -> int:
        """Write the text without known secrets; returns its length."""
        if not isinstance(text, str) or (not self.waiting and KNOWN_SECRETS.redactor.has_no_value(text)):
            return self.unredacted(text)
        thread = threading.get_ident()
        redactor = self.waiting.pop(thread, None) or TextRedactor(Redactor.hide_known)
        if self.waiting:
            self.end({thread.ident for thread in threading.enumerate()})
        visible = redactor.feed(KNOWN_SECRETS.redactor, text)
        if self.is_exiting:
            visible += redactor.end()
        elif redactor.is_open:
            self.waiting[thread] = redactor
        if visible:
            self.unredacted(visible)
        return len(text)

    def end(self, running: set[int | None]) -> None:
        """Write what waits for threads that have ended."""
        for thread in self.waiting.keys() - running:
            redactor = self.waiting.pop(thread, None)
            if redactor is not None and (held := redactor.end()):
                self.unredacted(held)


_writes: "weakref.WeakSet[_RedactedWrite]" = weakref.WeakSet()


def redact_process_output() -> None:
    """Hide known secrets in what this process writes from now on. Streams that are known already stay as they are."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            redact_stream(stream)
    redact_log_records()


def redact_stream(stream: TextIO) -> Callable[[str], int]:
    """Hide known secrets in what is written to a stream. Return its own `write`, for text without secrets."""
    write: Any = stream.write
    if isinstance(write, _RedactedWrite):
        return write.unredacted
    if getattr(stream, "is_redacted", False):
        return stream.write
    redacted_write = _RedactedWrite(write)
    try:
        stream.write = redacted_write  # type: ignore[method-assign]
    except (AttributeError, TypeError):  # a stream of the user's own kind that has no place for it
        return redacted_write.unredacted
    _writes.add(redacted_write)
    return redacted_write.unredacted


def redact_log_records() -> None:
    """Hide known secrets in log records before any handler gets them, and in what handlers write, also to places of their own."""
    handle, format_record, format_error = (
        logging.Logger.handle,
        logging.Handler.format,
        logging.Formatter.formatException,
    )
    if hasattr(format_record, "__wrapped__"):
        return

    @functools.wraps(handle)
    def handle_redacted(self: logging.Logger, record: logging.LogRecord) -> None:
        _hide_in_record(record)
        handle(self, record)

    @functools.wraps(format_record)
    def format_redacted(self: logging.Handler, record: logging.LogRecord) -> Any:
        return KNOWN_SECRETS.redactor.hide_known(format_record(self, record))

    @functools.wraps(format_error)
    def format_error_redacted(self: logging.Formatter, ei: Any) -> str:
        # The text is kept in the record, which a handler may send as a whole.
        text: str = KNOWN_SECRETS.redactor.hide_known(format_error(self, ei))
        return text

    logging.Logger.handle = handle_redacted  # type: ignore[method-assign]
    logging.Handler.format = format_redacted  # type: ignore[method-assign]
    logging.Formatter.formatException = format_error_redacted  # type: ignore[method-assign]


def _hide_in_record(record: logging.LogRecord) -> None:
    """Hide known secrets in the message, the arguments and the texts of a record: some handlers send all of it."""
    redactor = KNOWN_SECRETS.redactor
    if not redactor.values:
        return
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - the handler reports arguments that do not fit
        return
    hidden = redactor.hide_known(message)
    arguments = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    if hidden != message or any(
        isinstance(argument, str) and not redactor.has_no_value(argument) for argument in arguments
    ):
        record.msg, record.args = hidden, None
    for name, value in record.__dict__.items():
        if isinstance(value, str) and name != "msg":
            record.__dict__[name] = redactor.hide_known(value)


def _write_waiting() -> None:
    """Write all that waits: this process ends."""
    _RedactedWrite.is_exiting = True
    for write in list(_writes):
        try:
            write.end(set())
        except (OSError, ValueError):  # its reader has gone, or it is closed
            write.waiting.clear()


def _forget_threads() -> None:
    """Leave the waiting text of other threads to the process that has them: this one was forked."""
    for write in list(_writes):
        write.waiting.clear()


atexit.register(_write_waiting)
os.register_at_fork(after_in_child=_forget_threads)
