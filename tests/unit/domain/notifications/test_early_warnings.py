"""Early signs: what is not wrong, and worth a look."""

import pytest

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import (
    DurationHistory,
    MonitorInputs,
    RunCompletion,
    SuccessGaps,
    WatchedAutomation,
    WatchedSchedule,
)
from mainspring.domain.notifications.early_warnings import DAY_MS, RunTotals, find_early_warnings
from mainspring.domain.time.schedule import Schedule

NOW = 1_000 * DAY_MS
HOUR = 3_600_000
HISTORY = DurationHistory(buckets=((10, 100), (12, 20)), over_ms=30 * DAY_MS, busiest_hour=3)


def end(*, succeeded=True, duration_ms=1_000):
    return RunCompletion("r_1", succeeded, not succeeded, NOW - HOUR - duration_ms, NOW - HOUR)


def signs(*automations, ended=None, open_incidents=()):
    facts = MonitorInputs(automations=automations, open=frozenset(open_incidents))
    return [(warning.label, warning.automation) for warning in find_early_warnings(facts, ended or {}, NOW)]


@pytest.mark.parametrize(
    ("ended", "is_sign"),
    [(RunTotals(3, 5, 0), True), (RunTotals(0, 5, 0), False), (RunTotals(3, 5, 1), False), (RunTotals(3, 0, 0), False)],
)
def test_success_after_retries_is_reported(ended, is_sign):
    """Attempts failed, and every run succeeded; a run that failed is an incident of its own."""
    assert signs(ended={"sync": ended}) == [("Fixed by a retry", "sync")] * is_sign


@pytest.mark.parametrize(("duration_ms", "is_sign"), [(2_049, True), (2_048, False), (8_200, False)])
def test_slower_run_is_reported(duration_ms, is_sign):
    """Half of the last runs took more than twice what half of all took; what is much slower is an incident."""
    automation = WatchedAutomation(
        name="sync",
        succeeded_at=NOW - HOUR,
        ends=tuple(end(duration_ms=duration_ms) for _ in range(5)),
        history=HISTORY,
    )
    assert signs(automation) == [("Slower than usual", "sync")] * is_sign


def test_automation_that_never_succeeded_is_reported():
    """Once it is known for a day, and has run."""
    failed = (end(succeeded=False),)
    assert signs(WatchedAutomation(name="a", announced_at=NOW - DAY_MS, ends=failed)) == [("Never succeeded", "a")]
    assert signs(WatchedAutomation(name="a", announced_at=NOW - HOUR, ends=failed)) == []
    assert signs(WatchedAutomation(name="a", announced_at=NOW - DAY_MS)) == []


def test_nearly_silent_automation_is_reported():
    """Its slot is past and its grace is not, or three quarters of the learned window are over."""
    daily = WatchedSchedule(
        name="b",
        schedule=Schedule.parse(cron="0 23 * * *", tz="UTC"),
        since_at=NOW - 9 * DAY_MS,
        next_slot_at=None,
        unbegun_at=None,
        unbegun_run=None,
    )
    late = WatchedAutomation(name="b", cadences=(daily,), succeeded_at=NOW - DAY_MS)
    assert signs(late) == [("Nearly silent", "b")]
    gaps = SuccessGaps(
        successes=50,
        over_ms=30 * DAY_MS,
        largest_ms=DAY_MS // 2,
        p99_ms=HOUR,
        class_name="all",
        class_gaps=49,
        on_weekends=True,
    )
    assert signs(WatchedAutomation(name="c", succeeded_at=NOW - 19 * HOUR, gaps=gaps)) == [("Nearly silent", "c")]
    assert signs(WatchedAutomation(name="c", succeeded_at=NOW - 17 * HOUR, gaps=gaps)) == []


def test_long_pause_is_reported():
    """A day from its beginning, unless it is over or retired."""
    day = NOW - DAY_MS
    assert signs(WatchedAutomation(name="a", paused_at=day, paused_by="ann")) == [("Paused long", "a")]
    assert signs(WatchedAutomation(name="a", paused_at=day + 1)) == []
    assert signs(WatchedAutomation(name="a", paused_at=day, paused_until=NOW)) == []
    assert signs(WatchedAutomation(name="a", paused_at=day, retired_at=NOW)) == []


def test_open_incident_is_no_early_warning():
    """Its incident says more."""
    subject = Subject("a", IncidentKind.SILENCE)
    assert signs(WatchedAutomation(name="a", paused_at=0), open_incidents=[subject]) == []
