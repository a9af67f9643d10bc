"""A provider of flags outside of Mainspring, called in threads of its own and with a time limit: no code waits longer for it."""

import asyncio
import contextlib
import logging
import os
import threading
from concurrent.futures import Future, InvalidStateError, wait
from typing import Protocol

from mainspring.domain.flags.flag import FlagAnswer, FlagProviderError, FlagQuestion, FlagReason, FlagSide

_MAX_CALLS = 64
_MAX_WARNINGS, _MAX_TEXT = 1_000, 500
_LOG = logging.getLogger("mainspring.flags")


class FlagSource(Protocol):
    """A source of answers; it may block, and raise anything."""

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question."""
        ...


class FlagProvider:
    """Answers from a source. A question without an answer within `timeout_s` gets the default of the code.

    Each call has a thread of its own, so a call that hangs keeps neither the next one nor the end of the process waiting.
    """

    def __init__(self, source: FlagSource, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        self._running = 0
        self._pid = os.getpid()
        self._warned: set[tuple[str, str]] = set()
        """Flags and problems, each logged once."""

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question; blocks this thread."""
        future = self._start(question)
        wait([future], self._timeout_s)
        return self._read(question, future)

    async def answer_async(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question without blocking the loop."""
        future = self._start(question)
        await asyncio.wait([asyncio.wrap_future(future)], timeout=self._timeout_s)
        return self._read(question, future)

    def _start(self, question: FlagQuestion) -> Future[FlagAnswer]:
        future: Future[FlagAnswer] = Future()
        if self._pid != os.getpid():  # forked: the calls of the parent do not run here
            self._pid, self._running, self._lock = os.getpid(), 0, threading.RLock()
        if self._running >= _MAX_CALLS:
            future.set_exception(FlagProviderError(f"{_MAX_CALLS} calls have had no answer yet"))
            return future
        with self._lock:
            self._running += 1

        def call() -> None:
            try:
                result = self._source.answer(question)
            except BaseException as error:  # noqa: BLE001 - the caller reads it
                outcome: BaseException | FlagAnswer = error
            else:
                outcome = result
            with self._lock:
                self._running -= 1
            with contextlib.suppress(InvalidStateError):  # the caller waits no more
                future.set_exception(outcome) if isinstance(outcome, BaseException) else future.set_result(outcome)

        threading.Thread(target=call, name="mainspring-flag-provider", daemon=True).start()
        return future

    def _read(self, question: FlagQuestion, future: Future[FlagAnswer]) -> FlagAnswer:
        if not future.done():
            future.cancel()
            problem = f"no answer within {self._timeout_s:g} s"
        elif (error := future.exception()) is None:
            return future.result()
        else:
            problem = str(error) if isinstance(error, FlagProviderError) else f"{type(error).__name__}: {error}"
        known = question.flag, problem[:_MAX_TEXT]
        if known not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add(known)
            _LOG.warning("flag %r: the default counts: its provider failed: %s", *known)
        return FlagAnswer(question.default, FlagSide.DEFAULT, FlagReason.PROVIDER_FAILED, is_default=True)
