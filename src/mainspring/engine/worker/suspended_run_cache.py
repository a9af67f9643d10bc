"""Suspended runs whose bodies stay in memory, so that a wake seldom replays; the longest parked goes first."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.driver.driver import Driver


BASE_BYTES = 16 * 1024
"""What a parked body takes beside its values: driver, loop, coroutine, open requests (measured: 10 to 14 KiB)."""


class SuspendedRunCache:
    """At most `most` drivers, and about `most_bytes` of memory."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._parked: OrderedDict[str, Driver] = OrderedDict()

    def park(self, driver: "Driver") -> None:
        """Keep a driver; the longest parked is let go when there are too many."""
        self._parked[driver.run.id] = driver
        self._bytes += _size_of(driver)
        while self._parked and (len(self._parked) > self._most or self._bytes > self._most_bytes):
            oldest = next(iter(self._parked.values()))
            self._drop(oldest)
            oldest.let_go()

    def _drop(self, driver: "Driver") -> None:
        del self._parked[driver.run.id]
        self._bytes -= _size_of(driver)

    def take(self, run: ClaimedRun) -> "Driver | None":
        """Return the driver of a claimed run, if what it knows is still all there is; else let it go."""
        driver = self._parked.get(run.id)
        if driver is None:
            return None
        self._drop(driver)
        # An owner in between may have left attempts and checkpoints, which have no rank.
        same_owner = run.claim == driver.claim + 1
        if same_owner and driver.journal.rank == run.rank and driver.run.generation == run.generation:
            return driver
        driver.let_go()
        return None

    def forget(self, driver: "Driver") -> None:
        """Drop a driver that let go by itself."""
        if self._parked.get(driver.run.id) is driver:
            self._drop(driver)

    def clear(self) -> None:
        """Let all go."""
        for driver in list(self._parked.values()):
            self._drop(driver)
            driver.let_go()


def _size_of(driver: "Driver") -> int:
    """Return about how much memory a parked driver holds: at most all values that its body was ever given."""
    return BASE_BYTES + 2 * driver.journal.value_bytes
