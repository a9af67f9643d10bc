"""Due times: those to come with the days whose clocks change, those that were with what came."""

from datetime import UTC, datetime

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import parse_options
from mainspring.domain.states import RunState
from mainspring.domain.time.schedule_preview import ClockChange
from mainspring.insight.automations.due_times import (
    list_next_due_times,
    list_past_due_times,
    list_schedules,
    schedules_run_from,
)
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.views import AutomationView, SlotView

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = round(datetime(2026, 10, 23, 12, tzinfo=UTC).timestamp()) * 1000


def defined(**options):
    parsed = parse_options(DefinitionKind.TASK, options, "a")
    return Definition(kind=DefinitionKind.TASK, name="a", options=parsed, schedules=build_schedules(parsed, "a"))


def mark(run, at, state=RunState.SUCCEEDED, slot_at=None):
    done = at + MINUTE if state in (RunState.SUCCEEDED, RunState.FAILED) else None
    return RunMark(run, state, None, slot_at, at, at, done)


def view(**options):
    values = {"paused_at": None, "paused_until": None, "retired_at": None, "problem": None, **options}
    return AutomationView("a", "task", 1, b"{}", "f", 1, paused_by=None, pause_reason=None, announced_at=0, **values)


DAILY = defined(cron="0 3 * * *", tz="Europe/Berlin")
HOURLY = defined(cron="0 * * * *")


def test_next_due_times_mark_days_whose_clocks_change():
    """In the automation's own zone."""
    times = list_next_due_times(list_schedules(DAILY), NOW, 3)
    assert [slot.local for slot in times] == [
        "Sat 2026-10-24 03:00:00 CEST",
        "Sun 2026-10-25 03:00:00 CET",
        "Mon 2026-10-26 03:00:00 CET",
    ]
    assert [slot.change for slot in times] == [ClockChange.NONE, ClockChange.BACK, ClockChange.NONE]
    assert (
        list_next_due_times(list_schedules(DAILY), None, 3) == list_next_due_times(list_schedules(None), NOW, 3) == []
    )


def test_next_due_times_of_several_schedules_are_one_list():
    """Each under the name that it is announced by, with its jitter."""
    both = defined(cron=["0 3 * * *", "0 4 * * *"], jitter="10m")
    assert [named.name for named in list_schedules(both)] == ["a#1", "a#2"]
    times = list_next_due_times(list_schedules(both), NOW, 4)
    assert [slot.schedule for slot in times] == ["a#1", "a#2", "a#1", "a#2"]
    assert all(0 <= slot.starts_at - slot.slot_at < 10 * MINUTE for slot in times)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, NOW),
        ({"paused_at": 1}, None),
        ({"paused_at": 1, "paused_until": NOW + 5}, NOW + 5),
        ({"paused_at": 1, "paused_until": NOW - 5}, NOW),
        ({"retired_at": 1}, None),
        ({"problem": "it does not load"}, None),
    ],
)
def test_schedule_makes_runs_from(options, expected):
    """Not while it is paused, retired or does not load."""
    assert schedules_run_from(view(**options), NOW) == expected


def past(runs, slots=(), pauses=(), count=4):
    return list_past_due_times(list_schedules(HOURLY), runs, slots, pauses, NOW - 10 * HOUR, NOW, count)


def test_past_due_times_are_next_to_their_runs():
    """The run of a slot, or the first good one after it; nothing where nothing came."""
    runs = [
        mark("r4", NOW - 30_000, RunState.RUNNING),
        mark("r3", NOW - HOUR + 5 * MINUTE),
        mark("r2", NOW - HOUR + MINUTE, RunState.FAILED),
        mark("r1", NOW - 2 * HOUR, slot_at=NOW - 3 * HOUR),
    ]
    found = past(runs)
    assert [(slot.due_at, slot.run, slot.state) for slot in found] == [
        (NOW - 3 * HOUR, "r1", RunState.SUCCEEDED),
        (NOW - 2 * HOUR, None, None),
        (NOW - HOUR, "r3", RunState.SUCCEEDED),
        (NOW, "r4", RunState.RUNNING),
    ]
    assert [slot.came_at for slot in found] == [NOW - 2 * HOUR + MINUTE, None, NOW - HOUR + 6 * MINUTE, None]


def test_past_due_time_without_a_run_gives_the_reason():
    """What the scheduler wrote down, or that it was paused."""
    slots = [
        SlotView("a", NOW - HOUR, "skipped", None, "the run before goes on", 1),
        SlotView("a", NOW, "run", "r", None, 1),
    ]
    found = past([], slots, [(NOW - 3 * HOUR - 1, NOW - 3 * HOUR + 1)])
    assert [slot.note for slot in found] == ["paused", None, "skipped: the run before goes on", None]
    assert [slot.note for slot in past([], pauses=[(NOW - HOUR, None)])] == [None, None, "paused", "paused"]


def test_automation_without_schedule_has_no_due_times():
    """No one says when."""
    assert list_past_due_times(list_schedules(defined()), [mark("r1", NOW)], (), (), 0, NOW, 5) == []
