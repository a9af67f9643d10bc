"""`ms.stream(name)`: a stream of the run for the code of a step, alike in loop, thread and child process.

Invariants: `n` counts the records of one attempt in one stream, and they are sent in that order. What is sent and not committed is
bounded: a writer waits for the store, or gets an error if it does not wait.
"""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

from mainspring.domain.errors import BusyError
from mainspring.domain.runs.stream import MAX_RECORD_BYTES, check_stream_name
from mainspring.domain.values.codec import encode
from mainspring.domain.values.stored_file import refuse_files
from mainspring.engine.attempts.attempt_reports import StreamFlushReport, StreamReport
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import SAVED_CHECKPOINT, AttemptClosed, StepContext, current_step

FULL_BYTES: Final = 1024 * 1024
"""A writer waits while more than this is not committed."""
MOST_BYTES: Final = 8 * FULL_BYTES
"""A writer that does not wait gets an error above this."""
_RETRY_AFTER = timedelta(milliseconds=50)
_RECORD_BYTES: Final = 64
"""Counted for each record beside its JSON, so that tiny records are bounded, too."""


class StreamWindow:
    """The records of one attempt that are sent and not committed; used from any thread."""

    def __init__(self, step: StepContext) -> None:
        self._step = step
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._sent = self._committed = 0
        """Bytes."""
        self._error: BaseException | None = None
        self._waiters: list[tuple[int, PendingAnswer[None]]] = []
        """The committed bytes that each waits for."""
        step.channel.at_end(self._close)

    def write(self, stream: str, data: bytes) -> Awaitable[None]:
        """Send a record; the result waits until there is capacity for more."""
        size = len(data) + _RECORD_BYTES
        with self._lock:  # the numbers of a stream must be sent in their order
            self._raise_error()
            if self._sent - self._committed > MOST_BYTES:
                text = f"stream {stream!r} of step {self._step.name!r}: {MOST_BYTES // FULL_BYTES} MiB are not committed yet"
                raise BusyError(_RETRY_AFTER, text, hint="Write `await stream.write(...)`: it waits for the store.")
            number = self._counts.get(stream, 0) + 1
            self._step.channel.post(StreamReport(stream, number, data, functools.partial(self._acknowledge, size)))
            self._counts[stream] = number
            self._sent += size
            return self._wait_until(self._sent - FULL_BYTES)

    def flush(self) -> Awaitable[None]:
        """Send what is held back; the result waits until all records so far are committed."""
        with self._lock:
            self._raise_error()
            self._step.channel.post(StreamFlushReport())
            return self._wait_until(self._sent)

    def _wait_until(self, committed: int) -> Awaitable[None]:
        """Return what waits until so many bytes are committed; in code without an event loop, wait for it."""
        if self._committed >= committed:
            return SAVED_CHECKPOINT
        waiter: PendingAnswer[None] = PendingAnswer(0)
        self._waiters.append((committed, waiter))
        return waiter

    def _acknowledge(self, size: int, error: BaseException | None) -> None:
        with self._lock:
            self._committed += size
            self._error = self._error or error
            due = [entry for entry in self._waiters if self._error is not None or entry[0] <= self._committed]
            self._waiters = [entry for entry in self._waiters if entry not in due]
            answer = self._error
        for _, waiter in due:
            waiter.answer(answer)

    def _close(self) -> None:
        """End all waits: the attempt has ended."""
        self._acknowledge(0, AttemptClosed(f"step {self._step.name!r} ended before its records were committed"))

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


class StreamWriter:
    """A stream of the run, for the code of a step. Its records are numbered in the order of their commits.

    Records are sent in groups, at most 50 ms after they were written, and before the outcome of the step. An attempt that is repeated
    writes them again: the stream marks the older ones as superseded.
    """

    def __init__(self, window: StreamWindow, name: str) -> None:
        self._window = window
        self.name = name

    def write(self, value: object) -> Awaitable[None]:
        """Add a record to the stream. `value` = a JSON value, data class and so on, of at most 256 KiB.

        In a `def` step it returns when there is capacity for more: it waits while 1 MiB is not committed. In an `async def` step it returns
        at once; await its result to wait for that.

        Raises:
            ValueRefusedError: the value cannot be saved; the error names the path inside it.
            BusyError: 8 MiB are not committed, because the code does not await the result.
            ArgumentError: the run has too many streams.
        """
        value_name = f"record of stream {self.name!r}"
        data = refuse_files(encode(value, value_name=value_name, limit=MAX_RECORD_BYTES), value_name)
        return _wait_here(self._window.write(self.name, data))

    def flush(self) -> Awaitable[None]:
        """Wait until all records of this step so far are committed. In an `async def` step, await the result."""
        return _wait_here(self._window.flush())


def stream(name: str) -> StreamWriter:
    """Return a stream of the run, to which this step can write records before it ends.

    Others follow it with `handle.stream(name)`, the API or `mainspring runs stream`. In the body of a workflow, use `run.stream(name)`.

    Raises:
        NotInStepError: no step is running here.
        ArgumentError: the name is empty, longer than 200 characters, or cannot be printed.
    """
    step = current_step("stream()")
    check_stream_name(name)
    with _LOCK:  # several threads of one step may write at the same time
        if step.streams is None:
            step.streams = StreamWindow(step)
        return StreamWriter(step.streams, name)


_LOCK = threading.Lock()


def _wait_here(waiting: Awaitable[None]) -> Awaitable[None]:
    """Return what the caller may await; in a thread without an event loop, wait for it."""
    if isinstance(waiting, PendingAnswer):
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            return waiting
        waiting.wait()
    return SAVED_CHECKPOINT
