"""Read the inboxes of loaded runs, one read at a time, and pass each fact to its driver."""

import logging
from collections.abc import Callable
from typing import Any, Final

from mainspring.domain.runs.journal import Fact
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.driver.driver_host import DriverLookup
from mainspring.store.base import EngineReads, Store

_LOG = logging.getLogger("mainspring.worker")

_WHOLE_READ_S: Final = 0.5
_SLACK: Final = 1_000
"""Between whole reads, twice a second, only facts behind the newest one are read, and so many before it: facts of groups that a server
commits in another order than it numbers them. Otherwise each new fact of a long inbox would cost a read of all of them.
"""

CallLater = Callable[[Callable[[], None]], Any]
"""Calls a function after a delay."""


class InboxReader:
    """Created and used in the loop's thread. A driver recognizes a fact that is read twice by its number."""

    def __init__(
        self,
        store: Store,
        reads: EngineReads,
        lookup: DriverLookup,
        off_loop: BlockingCaller,
        later: CallLater,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._reads = reads
        self._lookup = lookup
        self._off_loop = off_loop
        self._later = later
        self._now = now
        self._reading = False
        self._read_again = False
        self._newest = 0
        self._whole_read_at = float("-inf")
        self._missed: set[str] = set()
        """Runs that were not loaded when their facts were read last."""

    def run_loaded(self, run: str) -> None:
        """Read again if facts of this run were read before it was loaded."""
        if run in self._missed:
            self._whole_read_at = float("-inf")
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
        now = self._now()
        whole = now >= self._whole_read_at
        if whole:
            self._whole_read_at = now + _WHOLE_READ_S
        since = 0 if whole else max(0, self._newest - _SLACK)
        self._off_loop(lambda: self._reads.facts_after(session, since), lambda read: self._read(read, whole=whole))

    def _read(self, read: Any, *, whole: bool) -> None:
        self._reading = False
        if isinstance(read, Exception):
            _LOG.error("the inboxes cannot be read: %s", read)
            self._read_again = False
            self._whole_read_at = float("-inf")
            self._later(self.poll)
            return
        by_run: dict[str, list[Fact]] = {}
        for fact in read:
            self._newest = max(self._newest, fact.seq)
            by_run.setdefault(fact.run, []).append(fact)
        missed = set() if whole else self._missed
        for run_id, facts in by_run.items():
            driver = self._lookup.driver_of(run_id)
            if driver is None:
                missed.add(run_id)
            else:
                driver.add_facts(facts)
        self._missed = missed
        if self._read_again:
            self._read_again = False
            self.poll()
