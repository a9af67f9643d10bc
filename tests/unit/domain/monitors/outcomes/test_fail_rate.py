"""Too large a share of the runs fails."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, RecentCounts
from tests.unit.domain.monitors.monitor_inputs import T0, ends, evaluate, found, watched

RATE = IncidentKind.FAIL_RATE
OPEN = frozenset({Subject("backup", RATE)})
runs = st.lists(st.booleans(), max_size=30)


def test_share_is_wrong_from_its_limit_on() -> None:
    """Half of the last ends, five at least."""
    assert found(RATE, watched(ends=ends(False, False, True, True, True)), T0) == []
    (finding,) = found(RATE, watched(ends=ends(False, False, True, True, False, True)), T0)
    assert finding.text == "50 % of the runs fail (3 of the last 6)"
    assert evaluate(RATE, watched(ends=ends(False, False, False, False)), T0) == []


def test_window_counts_where_enough_ended_in_it() -> None:
    """Twenty ends in the hour are judged without looking at single runs."""
    automation = watched(
        recent=RecentCounts(succeeded=10, failed=10), ends=ends(*[False, True] * 10), tier=Severity.PAGE
    )
    (finding,) = found(RATE, automation, T0)
    assert (finding.text, finding.severity) == ("50 % of the runs fail (10 in 1h)", Severity.NOTIFY)
    assert found(RATE, watched(recent=RecentCounts(succeeded=9, failed=10), ends=ends(*[True] * 20)), T0) == []


def test_ended_outage_is_not_reported_again() -> None:
    """Its failures learned when they failed; anyone who was notified of the rate hears that it is healthy only once it is."""
    over = ends(*[True] * 5, *[False] * 6)
    assert found(RATE, watched(ends=over), T0) == []
    assert found(RATE, watched(recent=RecentCounts(succeeded=10, failed=12), ends=over), T0) == []
    assert found(RATE, watched(ends=ends(False, *[True] * 4, *[False] * 6)), T0) != []
    (still,) = evaluate(RATE, MonitorInputs(automations=(watched(ends=over),), open=OPEN), T0)
    assert still.finding is not None


def test_repair_does_not_open_the_incident() -> None:
    """The successes of three repaired items reach the least count of ends, and no person hears of a failure rate for them."""
    assert found(RATE, watched(ends=ends(*[True] * 3, *[False] * 3)), T0) == []
    assert found(RATE, watched(ends=ends(False, *[True] * 3, *[False] * 3)), T0) != []


def test_stated_share_takes_the_place_of_the_default() -> None:
    """Another limit, or none."""
    known: dict[str, Any] = {"ends": ends(False, True, True, True, True)}
    assert found(RATE, watched(options={"fail_rate": 0.2}, **known), T0) != []
    assert evaluate(RATE, watched(options={"fail_rate": False}, **known), T0) == []
    assert evaluate(RATE, watched(paused_at=1, **known), T0) == []


@given(runs)
def test_rate_does_not_flap_at_the_border(oks: list[bool]) -> None:
    """Told once, it is healthy only below half of the limit; what is wrong again is wrong for who was notified, too."""
    automation = watched(ends=ends(*oks))
    evaluations = evaluate(RATE, MonitorInputs(automations=(automation,), open=OPEN), T0)
    share = evaluations[0].figures["failed_share"] if evaluations else None
    assert share is None or (evaluations[0].finding is not None) is (share >= 0.25)
    assert not found(RATE, automation, T0) or evaluations[0].finding is not None


@given(runs)
def test_success_never_makes_the_rate_worse(oks: list[bool]) -> None:
    """One more success brings no finding, once there are enough ends to judge."""
    if len(oks) >= 5 and not found(RATE, watched(ends=ends(*oks)), T0):
        assert not found(RATE, watched(ends=ends(True, *oks)), T0)


def test_one_outage_of_one_item_is_reported_only_by_its_failures() -> None:
    """Five failures of one backup are no failure rate too; what fails, succeeds and fails again is."""
    backup = {"kind": "exec"}
    assert found(RATE, watched(ends=ends(*[False] * 5), **backup), T0) == []
    assert found(RATE, watched(ends=ends(True, *[False] * 5), **backup), T0) == []
    assert found(RATE, watched(ends=ends(*[False, True] * 3), **backup), T0) != []
    assert found(RATE, watched(ends=ends(*[False] * 5), options={"healthy": "item"}, **backup), T0) != []
