"""How often something really starts, against how often it says."""

from mainspring.domain.time.punctuality import MIN_SLOTS, ServedSlot, measure_punctuality

EVERY = 20_000


def served(count: int, *, each: int = 1, late: int = 0, is_started: bool = True) -> list[ServedSlot]:
    """Slots every 20 s; one in `each` was run, `late` ms after its time."""
    return [
        ServedSlot(n * EVERY, n * EVERY, n * EVERY + late if n % each == 0 and is_started else None, n % each != 0)
        for n in range(count)
    ]


def test_peer_windmill_10844_cadence_that_slips_is_found():
    """PEERS 12: "every 20 s" became every 60 s because runs outlast the interval, and nothing showed it."""
    found = measure_punctuality(served(30, each=3), 10**9)
    assert found is not None
    assert (found.declared_ms, found.effective_ms, found.skipped) == (20_000, 60_000, 20)
    assert found.slips


def test_schedule_that_keeps_its_times_does_not_slip():
    """A skipped slot now and then, a start that is a little late."""
    found = measure_punctuality([*served(20, late=900)[:-1], *served(20, each=19)[-1:]], 10**9)
    assert found is not None
    assert not found.slips


def test_line_of_runs_that_grows_is_found():
    """Nothing is skipped where runs queue up, but each begins later than its next slot."""
    found = measure_punctuality(served(20, late=25_000), 10**9)
    assert found is not None
    assert (found.effective_ms, found.lag_ms) == (20_000, 25_000)
    assert found.slips
    waiting = measure_punctuality(served(20, is_started=False), 20 * EVERY + 10**6)
    assert waiting is not None
    assert waiting.slips


def test_schedule_that_runs_nothing_slips():
    """Each slot skipped: a run that never ends."""
    found = measure_punctuality(served(21, each=100)[1:], 10**9)
    assert found is not None
    assert found.effective_ms is None
    assert found.slips


def test_little_evidence_reports_nothing():
    """Few slots may be skipped without meaning anything."""
    assert measure_punctuality(served(1), 0) is None
    few = measure_punctuality(served(MIN_SLOTS - 1, each=5), 0)
    assert few is not None
    assert not few.slips
