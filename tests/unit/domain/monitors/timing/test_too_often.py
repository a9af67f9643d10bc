"""More starts than schedules or experience allow."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, RecentCounts, WatchedAutomation
from tests.unit.domain.monitors.monitor_inputs import DAY, T0, cadence, evaluate, found, history, watched

OFTEN = IncidentKind.TOO_OFTEN


def started(n: int, **known: Any) -> WatchedAutomation:
    return watched(recent=RecentCounts(started=n), **{"history": history(), **known})


def test_limit_is_the_largest_of_three() -> None:
    """Sixty, three times the slots of the hour, three times the busiest hour."""
    for known, limit in (
        ({}, 60),
        ({"history": history(busiest_hour=100)}, 300),
        ({"cadences": (cadence(every="30s"),), "history": history(busiest_hour=0)}, 360),
    ):
        assert found(OFTEN, started(limit, **known), T0) == []
        (finding,) = found(OFTEN, started(limit + 1, **known), T0)
        assert finding.severity is Severity.NOTIFY


def test_peer_healthchecks_11_event_that_starts_itself_is_caught() -> None:
    """A loop of thousands an hour is wrong even before anything is learned, quietly."""
    (finding,) = found(OFTEN, started(5_000, history=history({}, over_ms=0, busiest_hour=0)), T0)
    assert (finding.severity, finding.text) == (
        Severity.DIGEST,
        "started 5,000 times in an hour, usual are at most 600",
    )
    assert found(OFTEN, started(600, history=history({}, over_ms=DAY, busiest_hour=0)), T0) == []


def test_few_starts_need_no_history() -> None:
    """Up to sixty an hour nothing has to be known; beyond, it does."""
    assert evaluate(OFTEN, started(60, history=None), T0)[0].unsure is None
    assert evaluate(OFTEN, started(61, history=None), T0)[0].unsure is not None
    assert evaluate(OFTEN, started(5_000, paused_at=1), T0) == []


@given(st.integers(1, 500))
def test_starts_do_not_flap_at_the_border(n: int) -> None:
    """Told once, it is healthy only at half of the limit."""
    is_open = frozenset({Subject("backup", OFTEN)})
    evaluations = evaluate(OFTEN, MonitorInputs(automations=(started(n),), open=is_open), T0)
    assert (evaluations[0].finding is not None) is (n > 30)
    assert bool(found(OFTEN, started(n), T0)) is (n > 60)
