"""The memory of suspended runs is bounded by number and by size; the longest parked goes first."""

from types import SimpleNamespace

from mainspring.engine.worker.suspended_run_cache import BASE_BYTES, SuspendedRunCache


class SuspendedDriver:
    """Stands for a driver: an id, the size of its values, and whether it was released."""

    def __init__(self, name: str, value_bytes: int = 0, rank: int = 3) -> None:
        self.run = SimpleNamespace(id=name, generation=0, version=1)
        self.claim = 5
        self.journal = SimpleNamespace(value_bytes=value_bytes, rank=rank)
        self.gone = False

    def unload(self) -> None:
        self.gone = True


def claimed(name: str, rank: int = 3, generation: int = 0, claim: int = 6, version: int = 1) -> SimpleNamespace:
    return SimpleNamespace(id=name, rank=rank, generation=generation, claim=claim, version=version)


def test_cache_evicts_the_oldest_by_number():
    """The third of two places pushes the first one out."""
    cache, drivers = SuspendedRunCache(2, 1 << 30), [SuspendedDriver(name) for name in "abc"]
    for driver in drivers:
        cache.park(driver)
    assert [driver.gone for driver in drivers] == [True, False, False]


def test_cache_is_bounded_by_size():
    """A run with large values pushes others out although there are places; what was taken out makes room again."""
    cache, small, large = (
        SuspendedRunCache(100, 10 * BASE_BYTES),
        SuspendedDriver("small"),
        SuspendedDriver("large", 4 * BASE_BYTES),
    )
    cache.park(small)
    cache.park(large)
    assert not small.gone
    next_one = SuspendedDriver("next")
    cache.park(next_one)
    assert (small.gone, large.gone, next_one.gone) == (True, False, False)
    assert cache.take(claimed("large")) is large
    more = [SuspendedDriver(f"m{n}") for n in range(8)]
    for driver in more:
        cache.park(driver)
    assert not next_one.gone


def test_suspended_run_that_continued_elsewhere_is_not_used():
    """Another rank, generation, owner or version means that the body is not that of the run: it is released, and the run is replayed."""
    for other in (claimed("a", rank=4), claimed("a", generation=1), claimed("a", claim=7), claimed("a", version=2)):
        cache, driver = SuspendedRunCache(10, 1 << 30), SuspendedDriver("a")
        cache.park(driver)
        assert cache.take(other) is None
        assert driver.gone


def test_nothing_is_kept_without_a_place():
    """With no places each run is released at once, so that every wake replays."""
    cache, driver = SuspendedRunCache(0, 1 << 30), SuspendedDriver("a")
    cache.park(driver)
    assert driver.gone
    cache.clear()
    cache.forget(driver)
