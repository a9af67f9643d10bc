"""Schedules that start less often than they say."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.timing.cadence_drift import CadenceDriftTuning
from mainspring.domain.time.punctuality import Punctuality
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, cadence, evaluate, found, watched

KIND = IncidentKind.CADENCE_DRIFT


def served(skipped: int = 0, slots: int = 30, lag_ms: int = 0) -> Punctuality:
    """Slots each minute; some were skipped."""
    started_slots = slots - skipped
    effective = MINUTE * slots // started_slots if started_slots else None
    return Punctuality(slots=slots, skipped=skipped, declared_ms=MINUTE, effective_ms=effective, lag_ms=lag_ms)


def facts(**punctual: Punctuality | None) -> MonitorInputs:
    """Two schedules of one automation, as far as they are read."""
    automation = watched(cadences=(cadence(name="x", every="1m"), cadence(name="y", every="1m")), tier=Severity.PAGE)
    return MonitorInputs(automations=(automation,), punctual=punctual)


def test_schedule_that_starts_half_as_often_is_reported_in_the_digest() -> None:
    """By the schedule that is furthest off, with its arithmetic."""
    (finding,) = found(KIND, facts(x=served(), y=served(15)), T0 + HOUR)
    assert (finding.severity, finding.since_at) == (Severity.DIGEST, T0)
    assert finding.text == "starts each 2m, declared is one each 1m: 15 of 30 slots skipped"
    assert (finding.facts["schedule"], finding.facts["limit_ms"], finding.facts["effective_ms"]) == (
        "y",
        90_000,
        2 * MINUTE,
    )
    assert found(KIND, facts(x=served(), y=served(9)), T0) == []
    assert found(KIND, facts(x=served(), y=served(10)), T0) != []
    assert "none of the last 30 slots was run" in found(KIND, facts(x=served(), y=served(30)), T0)[0].text


def test_schedule_that_starts_late_is_reported() -> None:
    """By a whole period: a line of runs grows, and no slot is skipped."""
    assert found(KIND, facts(x=served(), y=served(lag_ms=MINUTE - 1)), T0) == []
    assert found(KIND, facts(x=served(), y=served(lag_ms=MINUTE)), T0)[0].text.endswith(
        "0 of 30 slots skipped, started 1m late"
    )


def test_drift_does_not_flap() -> None:
    """Someone who was notified of it learns that it is healthy below half of the share."""
    known_open = frozenset({Subject("backup", KIND)})
    for skipped, is_found in ((7, True), (6, True), (5, False)):
        now = facts(x=served(), y=served(skipped))
        assert (
            bool(found(KIND, MonitorInputs(automations=now.automations, punctual=now.punctual, open=known_open), T0))
            is is_found
        )
        assert found(KIND, now, T0) == []


def test_no_finding_for_few_slots_or_a_disabled_automation() -> None:
    """Fewer than eight, none at all, paused, without a schedule; unsure before they are read."""
    assert found(KIND, facts(x=None, y=served(7, slots=7)), T0) == []
    assert evaluate(KIND, facts(x=None, y=None), T0) == []
    assert evaluate(KIND, facts(x=served()), T0)[0].unsure is not None
    off = watched(cadences=(cadence(name="x", every="1m"),), paused_at=T0)
    assert evaluate(KIND, MonitorInputs(automations=(off,), punctual={"x": served(20)}), T0 + DAY) == []
    assert evaluate(KIND, watched(), T0) == []


@given(st.integers(0, 30), st.floats(0.05, 1))
def test_drift_is_found_above_its_share_only(skipped: int, share: float) -> None:
    """What is said follows from the figures that are shown."""
    (evaluation,) = evaluate(KIND, facts(x=served(skipped), y=served()), T0, CadenceDriftTuning(share=share))
    effective = evaluation.figures["effective_ms"]
    assert (evaluation.finding is not None) is (effective is None or effective >= MINUTE * (1 + share))
