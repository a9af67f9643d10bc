"""Cache of suspended runs: their bodies stay in memory, so that waking them seldom needs a replay. The oldest is dropped first."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.driver.driver import Driver


BASE_BYTES = 16 * 1024
"""Memory of a suspended body without its values: driver, loop, coroutine, open requests (measured: 10 to 14 KiB)."""


class SuspendedRunCache:
    """Keeps at most `most` drivers, and about `most_bytes` of memory."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._drivers: OrderedDict[str, Driver] = OrderedDict()

    def park(self, driver: "Driver") -> None:
        """Keep a driver; unload the oldest ones if there are too many."""
        self._drivers[driver.run.id] = driver
        self._bytes += _size_of(driver)
        while self._drivers and (len(self._drivers) > self._most or self._bytes > self._most_bytes):
            oldest = next(iter(self._drivers.values()))
            self._drop(oldest)
            oldest.unload()

    def _drop(self, driver: "Driver") -> None:
        del self._drivers[driver.run.id]
        self._bytes -= _size_of(driver)

    def take(self, run: ClaimedRun) -> "Driver | None":
        """Return the driver of a claimed run if it knows the whole journal; otherwise unload it."""
        driver = self._drivers.get(run.id)
        if driver is None:
            return None
        self._drop(driver)
        # Another owner in between may have left attempts and checkpoints, which have no rank.
        same_owner = run.claim == driver.claim + 1
        is_same = (driver.run.generation, driver.run.version) == (run.generation, run.version)
        if same_owner and is_same and driver.journal.rank == run.rank:
            return driver
        driver.unload()
        return None

    def forget(self, driver: "Driver") -> None:
        """Drop a driver that unloaded itself."""
        if self._drivers.get(driver.run.id) is driver:
            self._drop(driver)

    def clear(self) -> None:
        """Unload all drivers."""
        for driver in list(self._drivers.values()):
            self._drop(driver)
            driver.unload()


def _size_of(driver: "Driver") -> int:
    """Return about how much memory a suspended driver holds: at most all values that its body ever received."""
    return BASE_BYTES + 2 * driver.journal.value_bytes
