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


def end(*, succeeded=True, took_ms=1_000):
    return RunCompletion("r_1", succeeded, not succeeded, NOW - HOUR - took_ms, NOW - HOUR)


def signs(*automations, ended=None, wrong=()):
    facts = MonitorInputs(automations=automations, open=frozenset(wrong))
    return [(one.label, one.automation) for one in find_early_warnings(facts, ended or {}, NOW)]


@pytest.mark.parametrize(
    ("ended", "is_sign"),
    [(RunTotals(3, 5, 0), True), (RunTotals(0, 5, 0), False), (RunTotals(3, 5, 1), False), (RunTotals(3, 0, 0), False)],
)
def test_what_only_retries_healed_is_told(ended, is_sign):
    """Attempts failed, and every run succeeded; a run that failed is an incident of its own."""
    assert signs(ended={"sync": ended}) == [("Fixed by a retry", "sync")] * is_sign


@pytest.mark.parametrize(("took_ms", "is_sign"), [(2_049, True), (2_048, False), (8_200, False)])
def test_what_is_slower_than_usual_is_told(took_ms, is_sign):
    """Half of the last runs took more than twice what half of all took; what is much slower is an incident."""
    one = WatchedAutomation(
        name="sync", succeeded_at=NOW - HOUR, ends=tuple(end(took_ms=took_ms) for _ in range(5)), history=HISTORY
    )
    assert signs(one) == [("Slower than usual", "sync")] * is_sign


def test_what_never_succeeded_is_told():
    """Once it is known for a day, and has run."""
    failed = (end(succeeded=False),)
    assert signs(WatchedAutomation(name="a", announced_at=NOW - DAY_MS, ends=failed)) == [("Never succeeded", "a")]
    assert signs(WatchedAutomation(name="a", announced_at=NOW - HOUR, ends=failed)) == []
    assert signs(WatchedAutomation(name="a", announced_at=NOW - DAY_MS)) == []


def test_what_is_nearly_silent_is_told():
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


def test_what_is_paused_for_long_is_told():
    """A day from its beginning, unless it is over or retired."""
    day = NOW - DAY_MS
    assert signs(WatchedAutomation(name="a", paused_at=day, paused_by="ann")) == [("Paused long", "a")]
    assert signs(WatchedAutomation(name="a", paused_at=day + 1)) == []
    assert signs(WatchedAutomation(name="a", paused_at=day, paused_until=NOW)) == []
    assert signs(WatchedAutomation(name="a", paused_at=day, retired_at=NOW)) == []


def test_what_is_wrong_already_is_no_sign():
    """Its incident says more."""
    subject = Subject("a", IncidentKind.SILENCE)
    assert signs(WatchedAutomation(name="a", paused_at=0), wrong=[subject]) == []
