"""A provider of flags outside of Mainspring, called in threads of its own and with a time limit: no code waits longer for it."""

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from mainspring.domain.flags.flag import FlagAnswer, FlagProviderError, FlagQuestion, FlagReason, FlagSide

_THREADS = 8
_MAX_WARNINGS, _MAX_TEXT = 1_000, 500
_LOG = logging.getLogger("mainspring.flags")


class FlagSource(Protocol):
    """A source of answers; it may block, and raise anything."""

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question."""
        ...


class FlagProvider:
    """Answers from a source. A question without an answer within `timeout_s` gets the default of the code."""

    def __init__(self, source: FlagSource, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._warned: set[tuple[str, str]] = set()
        """Flags and problems, each logged once."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mainspring-flag-provider")

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question; blocks this thread."""
        future = self._threads.submit(self._source.answer, question)
        wait([future], self._timeout_s)
        return self._read(question, future)

    async def answer_async(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question without blocking the loop."""
        future = self._threads.submit(self._source.answer, question)
        await asyncio.wait([asyncio.wrap_future(future)], timeout=self._timeout_s)
        return self._read(question, future)

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
