"""Questions, pauses, locks, and signs of a brittle automation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import (
    HeldLock,
    ManualHelp,
    MonitorInputs,
    Reopening,
    WatchedQueue,
)
from mainspring.domain.monitors.question_inputs import UnansweredQuestion
from mainspring.domain.runs.journal import QuestionPlan
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, evaluate, found, watched

HUMAN, LOCK, PAUSED = IncidentKind.HUMAN_WAIT, IncidentKind.LOCK_HELD, IncidentKind.PAUSED
RECURRING, HAND = IncidentKind.RECURRING, IncidentKind.HELPED_BY_HAND


@pytest.mark.parametrize(
    ("until", "late", "text"),
    [
        (None, DAY, "the oldest for 1d"),
        (10 * DAY, DAY, "the oldest for 1d; its deadline is in 9d"),
        (2 * HOUR, HOUR, "the oldest for 1h; its deadline is in 1h"),
        (0, 0, "the oldest for 0s; its deadline has passed"),
    ],
)
def test_question_is_late_after_half_of_its_time(until: int | None, late: int, text: str) -> None:
    """A day at most."""
    question = UnansweredQuestion("r_1", T0, None if until is None else T0 + until)
    automation = watched(questions=(question, UnansweredQuestion("r_2", T0 + 3 * DAY, None)), tier=Severity.PAGE)
    assert found(HUMAN, automation, T0 + late - 1) == []
    (finding,) = found(HUMAN, automation, T0 + late)
    assert finding.text == f"1 question is unanswered, {text}"
    assert (finding.severity, finding.hint) == (Severity.NOTIFY, "mainspring runs answer r_1")


@pytest.mark.parametrize(
    ("plan", "until", "late"),
    [
        (QuestionPlan("finance"), None, DAY),
        (QuestionPlan("finance"), 7 * DAY, DAY),
        (QuestionPlan(None, 2 * DAY), 7 * DAY, 2 * DAY),
        (QuestionPlan(None, 5 * DAY), 7 * DAY, 3 * DAY + 12 * HOUR),
        (QuestionPlan("finance", 3 * DAY, 2 * DAY, "cfo"), None, 2 * DAY),
        (QuestionPlan("finance", HOUR, 2 * DAY, "cfo"), None, HOUR),
    ],
)
def test_question_with_a_plan_has_an_incident_of_its_own(plan: QuestionPlan, until: int | None, late: int) -> None:
    """It opens when its author says, else after a day; after half of its time at the latest."""
    question = UnansweredQuestion("r_1", T0, None if until is None else T0 + until, "ask#1", plan)
    automation = watched(questions=(question,), tier=Severity.DIGEST)
    assert found(HUMAN, automation, T0 + late - 1) == []
    (finding,) = found(HUMAN, automation, T0 + late)
    assert (finding.severity, finding.subject.fingerprint) == (Severity.NOTIFY, "r_1/ask#1")


@given(st.integers(0, 3 * DAY), st.integers(0, 3 * DAY))
def test_question_is_monotone_in_time(first: int, more: int) -> None:
    """Only an answer ends it."""
    automation = watched(questions=(UnansweredQuestion("r_1", T0, T0 + DAY),))
    assert not found(HUMAN, automation, T0 + first) or found(HUMAN, automation, T0 + first + more)


@pytest.mark.parametrize(("live", "longest"), [(True, DAY), (False, 10 * MINUTE)])
def test_lock_is_held_too_long(live: bool, longest: int) -> None:
    """A day, or ten minutes without anyone who could let it go."""
    facts = MonitorInputs(locks=(HeldLock("db", "r_1/step", T0, live),))
    assert found(LOCK, facts, T0 + longest - 1) == []
    (finding,) = found(LOCK, facts, T0 + longest)
    assert ("which is gone" in finding.text) is not live
    assert finding.subject.fingerprint == "db"


@pytest.mark.parametrize(("usual", "longest"), [(0, 30 * MINUTE), (10 * MINUTE, 100 * MINUTE), (DAY, DAY)])
def test_lock_is_held_unusually_long(usual: int, longest: int) -> None:
    """Ten times its longest hold, but neither for moments nor for more than a day."""
    facts = MonitorInputs(locks=(HeldLock("a b", "r_1/step", T0, live=True, slot=2, usual_ms=usual),))
    assert found(LOCK, facts, T0 + longest - 1) == []
    (finding,) = found(LOCK, facts, T0 + longest)
    assert "its longest hold was" in finding.text
    assert finding.hint == "If its holder no longer works: mainspring locks break 'a b' --slot 2 --reason '...'"


def test_pause_without_an_end_is_reported_in_the_digest() -> None:
    """Of automations and queues, after a week."""
    facts = MonitorInputs(
        automations=(watched(paused_at=T0, paused_by="cli:ann@box", tier=Severity.PAGE),),
        queues=(WatchedQueue(name="mail", paused_at=T0),),
    )
    assert found(PAUSED, facts, T0 + 7 * DAY - 1) == []
    automation, queue = found(PAUSED, facts, T0 + 7 * DAY)
    assert (automation.severity, automation.text) == (Severity.DIGEST, "paused without an end for 7d by cli:ann@box")
    assert (queue.subject.automation, queue.subject.fingerprint) == ("", "mail")
    assert evaluate(PAUSED, watched(paused_at=T0, paused_until=T0 + 99 * DAY), T0 + 50 * DAY) == []
    assert evaluate(PAUSED, watched(paused_at=T0, retired_at=T0), T0 + 50 * DAY) == []


def recurrences(*days: int, fingerprint: str = "f1") -> MonitorInputs:
    rows = tuple(Reopening("backup", IncidentKind.PERMANENT_ERROR, fingerprint, T0 + day * DAY) for day in days)
    return MonitorInputs(automations=(watched(),), reopenings=rows)


def test_error_that_returns_three_times_is_reported() -> None:
    """In fourteen days, of one fingerprint."""
    assert found(RECURRING, recurrences(0, 5), T0 + 6 * DAY) == []
    (finding,) = found(RECURRING, recurrences(0, 5, 13), T0 + 13 * DAY)
    assert (finding.severity, finding.since_at) == (Severity.DIGEST, T0 + 13 * DAY)
    assert finding.subject.fingerprint == "permanent_error:f1"
    assert found(RECURRING, recurrences(0, 5, 13), T0 + 14 * DAY) == []


def test_frequent_manual_help_is_reported() -> None:
    """Above a fifth of at least ten runs."""
    for helped, started, is_found in ((2, 10, False), (3, 10, True), (9, 9, False), (21, 100, True)):
        facts = MonitorInputs(automations=(watched(),), by_hand={"backup": ManualHelp(helped, started)})
        assert bool(found(HAND, facts, T0)) is is_found
