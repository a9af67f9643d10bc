"""Reads what came into the inboxes of loaded runs, one read at a time, and gives each fact to its driver."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from mainspring.domain.journal import Fact
from mainspring.engine.hosting import Aboard
from mainspring.store.base import EngineReads, Store

_LOG = logging.getLogger("mainspring.worker")

OffLoop = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Runs a blocking read elsewhere and hands its result (or exception) to the second function, in the loop."""


def in_executor(loop: asyncio.AbstractEventLoop) -> OffLoop:
    """Return an OffLoop on the loop's own threads."""

    def run(read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def finished(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled():
                error = future.exception()
                then(error if error is not None else future.result())

        loop.run_in_executor(None, read).add_done_callback(finished)

    return run


Later = Callable[[Callable[[], None]], Any]
"""Calls a function after a while."""


class InboxReader:
    """Made and used in the loop's thread. A fact that is read twice is known by its number."""

    def __init__(self, store: Store, reads: EngineReads, aboard: Aboard, off_loop: OffLoop, later: Later) -> None:
        self._store = store
        self._reads = reads
        self._aboard = aboard
        self._off_loop = off_loop
        self._later = later
        self._reading = False
        self._wanted = False

    def look(self) -> None:
        """Read now, or once more after the read that is under way."""
        if self._reading:
            self._wanted = True
            return
        session = self._store.session
        if session is None or not self._aboard.active:
            return
        self._reading = True
        self._off_loop(lambda: self._reads.facts_after(session, 0), self._read)

    def _read(self, read: Any) -> None:
        self._reading = False
        if isinstance(read, Exception):
            _LOG.error("the inboxes cannot be read: %s", read)
            self._wanted = False
            self._later(self.look)
            return
        by_run: dict[str, list[Fact]] = {}
        for fact in read:
            by_run.setdefault(fact.run, []).append(fact)
        for run_id, facts in by_run.items():
            driver = self._aboard.driver_of(run_id)
            if driver is not None:
                driver.add_facts(facts)
        if self._wanted:
            self._wanted = False
            self.look()
