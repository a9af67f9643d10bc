"""Suspended runs whose bodies stay in memory, so that a wake seldom replays; the longest parked goes first."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.driver import Driver


class Parking:
    """At most `most` drivers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parked: OrderedDict[str, Driver] = OrderedDict()

    def park(self, driver: "Driver") -> None:
        """Keep a driver; the longest parked is let go when there are too many."""
        self._parked[driver.run.id] = driver
        while len(self._parked) > self._most:
            self._parked.popitem(last=False)[1].let_go()

    def take(self, run: ClaimedRun) -> "Driver | None":
        """Return the driver of a claimed run, if what it knows is still all there is; else let it go."""
        driver = self._parked.pop(run.id, None)
        if driver is None:
            return None
        if driver.journal.rank == run.rank and driver.run.generation == run.generation:
            return driver
        driver.let_go()
        return None

    def forget(self, driver: "Driver") -> None:
        """Drop a driver that let go by itself."""
        if self._parked.get(driver.run.id) is driver:
            del self._parked[driver.run.id]

    def clear(self) -> None:
        """Let all go."""
        while self._parked:
            self._parked.popitem()[1].let_go()
