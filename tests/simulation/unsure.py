"""A store that executes and then reports failure, or fails before it executes: the sender cannot tell which."""

from typing import Any

import msgspec

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.time.clock_step import ClockStep, merge_steps
from mainspring.store.base import CommitReport, Database
from tests.simulation.truth import Truth


class UnsureDatabase:
    """A base.Database around the real one. `rate` = chance of either fault; it is asked at each commit."""

    def __init__(self, inner: Database, world: Any, truth: Truth) -> None:
        self.inner = inner
        self.warning = None
        self.world = world
        self._truth = truth
        self._step: ClockStep | None = None

    @property
    def session(self) -> int | None:
        """The session of the real database."""
        return self.inner.session

    @property
    def lease(self) -> Any:
        """The lease of the real database, where there are leases."""
        return getattr(self.inner, "lease", None)

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        """Commit, or not, and tell the truth, or not."""
        world = self.world
        if world.dice.random() < world.fault_rate:
            world.hits["fault before commit"] += 1
            raise StoreUnavailableError("simulated: not executed")
        report = self.inner.commit(commands, again=again)
        # The real one has noted a step of the clock; had its commit failed, it would find that again.
        self._step = merge_steps(self._step, report.changes.clock_step)
        self._truth.observe(commands, report.results, again=again)
        if again:
            world.hits["sent again"] += 1
        if world.dice.random() < world.fault_rate:
            world.hits["executed, then reported failure"] += 1
            raise StoreUnavailableError("simulated: executed, and the answer was lost")
        step, self._step = self._step, None
        return msgspec.structs.replace(report, changes=msgspec.structs.replace(report.changes, clock_step=step))

    def poll(self) -> bool:
        """Look for others' commits."""
        return self.inner.poll()

    def close(self) -> None:
        """Close the real one."""
        self.inner.close()
