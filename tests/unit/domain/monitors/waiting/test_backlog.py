"""What waits, and queues that fill."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WaitingRuns, WatchedQueue
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, T0, evaluate, found, watched

BACKLOG, GROWING = IncidentKind.BACKLOG, IncidentKind.BACKLOG_GROWING


def test_number_is_wrong_from_its_limit_on() -> None:
    """backlog= is a limit; without it only the age counts."""
    assert found(BACKLOG, watched(options={"backlog": 10}, waiting=WaitingRuns(9, T0, "mail")), T0) == []
    (finding,) = found(BACKLOG, watched(options={"backlog": 10}, waiting=WaitingRuns(10, T0, "mail")), T0)
    assert (finding.cause, finding.hint) == ("queue:mail", "mainspring queues show mail")
    assert found(BACKLOG, watched(waiting=WaitingRuns(10_000, T0, "mail")), T0) == []
    assert evaluate(BACKLOG, watched(options={"backlog": False}, waiting=WaitingRuns(10, T0, "mail")), T0 + DAY) == []


def test_age_is_wrong_after_six_hours() -> None:
    """And a queue that someone paused is named as the reason."""
    automation = watched(waiting=WaitingRuns(1, T0, "mail"))
    assert found(BACKLOG, automation, T0 + 6 * HOUR - 1) == []
    assert found(BACKLOG, automation, T0 + 6 * HOUR)[0].text == "1 run waits, the oldest for 6h in queue mail"
    facts = MonitorInputs(
        automations=(automation,), queues=(WatchedQueue(name="mail", paused_at=T0, paused_by="cli:ann@box"),)
    )
    (finding,) = found(BACKLOG, facts, T0 + 7 * HOUR)
    assert finding.text.endswith("queue mail is paused by cli:ann@box")
    assert finding.hint == "mainspring queues resume mail"


@given(st.integers(1, 30), st.booleans())
def test_number_does_not_flap_at_the_border(n: int, is_open: bool) -> None:
    """Told once, it is healthy only below half of the limit."""
    automation = watched(options={"backlog": 20}, waiting=WaitingRuns(n, T0, "mail"))
    opened = frozenset({Subject("backup", BACKLOG)} if is_open else ())
    assert bool(found(BACKLOG, MonitorInputs(automations=(automation,), open=opened), T0)) is (
        n >= (10 if is_open else 20)
    )


@given(st.integers(0, DAY), st.integers(0, DAY))
def test_age_is_monotone_in_time(first: int, more: int) -> None:
    """Waiting longer is no better."""
    automation = watched(waiting=WaitingRuns(1, T0, "mail"))
    assert not found(BACKLOG, automation, T0 + first) or found(BACKLOG, automation, T0 + first + more)


def growing(**known: int) -> MonitorInputs:
    values: dict[str, Any] = {"backlog": 500, "max_backlog": 1_000, "arrived": 100, "ended": 80} | known
    return MonitorInputs(automations=(watched(tier=Severity.PAGE),), queues=(WatchedQueue(name="mail", **values),))


def test_queue_that_fills_is_reported_with_the_time_left() -> None:
    """500 places at 20 an hour are 25 hours; at 25 they are 20."""
    assert found(GROWING, growing(), T0) == []
    (finding,) = found(GROWING, growing(arrived=105), T0)
    assert finding.text == "queue mail: 105 arrived and 80 ended in an hour, 500 wait; full in 20h"
    assert (finding.severity, finding.subject) == (Severity.NOTIFY, Subject("", GROWING, "mail"))
    assert "full: it accepts no runs" in found(GROWING, growing(backlog=1_000), T0)[0].text


def test_queue_that_is_emptied_is_healthy() -> None:
    """As is one without a limit, or with little in it."""
    assert found(GROWING, growing(arrived=80), T0) == []
    assert evaluate(GROWING, growing(backlog=99), T0) == []
    assert evaluate(GROWING, MonitorInputs(queues=(WatchedQueue(name="mail", backlog=500, arrived=9_999),)), T0) == []
    notified = MonitorInputs(queues=growing().queues, open=frozenset({Subject("", GROWING, "mail")}))
    assert found(GROWING, notified, T0) != []
