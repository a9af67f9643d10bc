"""Read the inboxes of loaded runs, one read at a time, and pass each fact to its driver."""

import logging
from collections.abc import Callable
from typing import Any

from mainspring.domain.runs.journal import Fact
from mainspring.engine.driver.driver_host import DriverLookup
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.store.base import EngineReads, Store

_LOG = logging.getLogger("mainspring.worker")

CallLater = Callable[[Callable[[], None]], Any]
"""Calls a function after a delay."""


class InboxReader:
    """Created and used in the loop's thread. A driver recognizes a fact that is read twice by its number."""

    def __init__(
        self, store: Store, reads: EngineReads, lookup: DriverLookup, off_loop: BlockingCaller, later: CallLater
    ) -> None:
        self._store = store
        self._reads = reads
        self._lookup = lookup
        self._off_loop = off_loop
        self._later = later
        self._reading = False
        self._read_again = False
        self._missed: frozenset[str] = frozenset()
        """Runs that were not loaded when their facts were read last."""

    def run_loaded(self, run: str) -> None:
        """Read again if facts of this run were read before it was loaded."""
        if run in self._missed:
            self.poll()

    def poll(self) -> None:
        """Read now, or once more after the current read."""
        if self._reading:
            self._read_again = True
            return
        session = self._store.session
        if session is None or not self._lookup.active:
            return
        self._reading = True
        self._off_loop(lambda: self._reads.facts_after(session, 0), self._read)

    def _read(self, read: Any) -> None:
        self._reading = False
        if isinstance(read, Exception):
            _LOG.error("the inboxes cannot be read: %s", read)
            self._read_again = False
            self._later(self.poll)
            return
        by_run: dict[str, list[Fact]] = {}
        for fact in read:
            by_run.setdefault(fact.run, []).append(fact)
        missed = set()
        for run_id, facts in by_run.items():
            driver = self._lookup.driver_of(run_id)
            if driver is None:
                missed.add(run_id)
            else:
                driver.add_facts(facts)
        self._missed = frozenset(missed)
        if self._read_again:
            self._read_again = False
            self.poll()
