"""Slots that are made up for, pauses on record, and schedules whose data are recreated."""

import msgspec

from mainspring.domain.states import RunState
from mainspring.store.base import UnfinishedRun
from mainspring.store.commands.automations import (
    BACKFILL,
    BackfillSlot,
    MakeSlot,
    PauseAutomation,
    PullBackSchedule,
    ResumeAutomation,
    RetireAutomation,
    ScheduleRow,
)
from mainspring.store.commands.results import DONE, Refused, StartAnswer
from mainspring.store.commands.runs import SlotLink
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.status.status import plans, schedules, slots_between
from tests.contract.store.process import audited, finish

OLD, NEW = b'{"cron":"0 * * * *"}', b'{"cron":"0 * * * *","years":2}'
HOUR = 3_600_000
BACKFILLED = f"{BACKFILL}a by cli:ann@host"


def row(at, spec=OLD, key="k"):
    return ScheduleRow("a", "a", spec, at, key)


def back(store, at, name=None):
    start = store.starting(id=name or f"back-{at}", slot=SlotLink("a", at), trigger=BACKFILLED)
    return BackfillSlot("a", at, start, "backfilled")


def slots(store):
    return [(slot.slot_at, slot.verdict, slot.run) for slot in slots_between(store.reader, "a", 0, 10**15, 100)]


def test_slot_below_low_water_is_made_by_backfill_only(store, clock):
    """Each once, and what has its run already is refused."""
    store.announce("a", schedules=(row(clock.now() + 5_000),))
    answer = store.twice(audited(back(store, 1_000)))
    assert isinstance(answer, StartAnswer)
    refused = store.do(back(store, 1_000, "other"))
    assert isinstance(refused, Refused)
    assert refused == Refused("has_run", "'a' has its run of 1970-01-01 00:00:01 UTC already: back-1000")
    assert slots(store) == [(1_000, "run", "back-1000")]


def test_slot_is_repeated_on_purpose_after_its_run_has_ended(store, clock):
    """The newest run counts, and the row has the number of runs; not while a run of the slot lives."""
    store.announce("a", schedules=(row(clock.now() + 5_000),))
    first = store.do(back(store, 1_000))
    again = msgspec.structs.replace(back(store, 1_000, "second"), again=True)
    refused = store.do(again)
    assert (refused.code, first.run in refused.text) == ("has_run", True)
    store.do(finish(store.claim_one()))
    assert store.twice(audited(again)).run == again.start.id
    assert slots(store) == [(1_000, "run", again.start.id)]
    assert store.reader.read_text("select number from slots", ()) == [(2,)]
    assert store.state(first.run) is RunState.SUCCEEDED


def test_missed_slot_is_made_up_for_by_backfill(store, clock):
    """Its row says from then on which run it has."""
    now = clock.now()
    store.announce("a", schedules=(row(now - 5_000),))
    store.do(MakeSlot("a", now - 5_000, now + 5_000, "missed", None, "nobody scheduled"))
    assert isinstance(store.do(back(store, now - 5_000)), StartAnswer)
    assert slots(store) == [(now - 5_000, "run", f"back-{now - 5_000}")]


def test_backfill_takes_nothing_from_the_scheduler(store, clock):
    """What its schedule will come to, and what is not due, is refused; so is a schedule that no one knows."""
    now = clock.now()
    assert store.do(back(store, now - 5_000)).code == "not_found"
    store.announce("a", schedules=(row(now - 5_000),))
    for at in (now - 5_000, now - 4_000, now + 60_000):
        refused = store.do(back(store, at))
        assert (refused.code, "is still in the future for 'a'" in refused.text) == ("not_past", True)
    assert slots(store) == []


def test_backfill_of_a_retired_automation_is_refused(store):
    """And leaves no row."""
    store.announce("a", schedules=(row(10**14),))
    store.do(RetireAutomation("a"))
    assert store.do(back(store, 1_000)).code == "retired"
    assert slots(store) == []


def test_backfilled_run_that_has_not_started_is_distinguished(store):
    """No slot has to wait for what stands in line behind it."""
    started = store.begin(trigger=BACKFILLED)
    waiting = store.start(trigger=BACKFILLED).run
    assert store.engine_reads.unfinished("a") == [UnfinishedRun(started.id, False), UnfinishedRun(waiting, True)]


def test_long_line_does_not_hide_what_continues(store):
    """Whatever continues is among the first hundred, however many stand in line before it."""
    store.do(*(store.starting(trigger=BACKFILLED) for _ in range(120)))
    live = store.start(trigger="schedule a").run
    found = store.engine_reads.unfinished("a")
    assert len(found) == 100
    assert found[0] == UnfinishedRun(live, False)
    assert found[1].is_in_line


def test_schedule_whose_data_are_recreated_stays_where_it_is(store, clock):
    """What is due stays due, what is to come is computed again, and no slot of the past is forgotten."""
    now = clock.now()
    store.announce("a", schedules=(row(now - 5_000),))
    (first,) = plans(store.reader)
    store.announce("a", schedules=(row(now + 9_000, NEW),))
    (second,) = plans(store.reader)
    assert (second.spec, second.next_slot_at, second.low_water_at) == (NEW, now - 5_000, first.low_water_at)
    store.do(MakeSlot("a", now - 5_000, now + 8_000, "run", store.starting()))
    store.announce("a", schedules=(row(now + 9_000, OLD),))
    assert plans(store.reader)[0].next_slot_at == now + 9_000


def test_changed_schedule_makes_no_slot_of_the_past(store, clock):
    """Another key is another schedule: it begins now."""
    now = clock.now()
    store.announce("a", schedules=(row(now - 5_000),))
    store.announce("a", schedules=(row(now + 9_000, NEW, "other"),))
    (plan,) = plans(store.reader)
    assert plan.next_slot_at == now + 9_000
    assert plan.low_water_at >= now


def test_schedule_whose_clock_was_put_back_continues_from_now(store, clock):
    """What a clock that was ahead passed over is to come again; what has its run is passed when it comes, and not run twice."""
    now = clock.now()
    store.announce("a", schedules=(row(now),))
    clock.forward(5 * HOUR)
    for place in range(5):
        store.do(MakeSlot("a", now + place * HOUR, now + (place + 1) * HOUR, "missed", None, "nobody scheduled"))
    start = store.starting(id="early", slot=SlotLink("a", now + 5 * HOUR))
    store.do(MakeSlot("a", now + 5 * HOUR, now + 6 * HOUR, "run", start))
    store.do(PullBackSchedule("a", now + HOUR))
    assert [schedule.next_slot_at for schedule in schedules(store.reader)] == [now + 6 * HOUR]
    clock.forward(-5 * HOUR)
    reads = WorkerReads(store.reader)
    assert [schedule.name for schedule in reads.schedules_ahead(clock.now() + 60_000)] == ["a"]
    assert store.twice(PullBackSchedule("a", now + HOUR)) == DONE
    assert reads.schedules_ahead(clock.now() + 60_000) == []
    assert [(schedule.last_slot_at, schedule.next_slot_at) for schedule in schedules(store.reader)] == [
        (now, now + HOUR)
    ]
    assert slots(store) == [(now, "missed", None), (now + 5 * HOUR, "run", "early")]
    clock.forward(5 * HOUR)
    for place in range(1, 6):
        again = store.starting(id=f"s{place}", slot=SlotLink("a", now + place * HOUR))
        store.do(MakeSlot("a", now + place * HOUR, now + (place + 1) * HOUR, "run", again))
    assert [(schedule.last_slot_at, schedule.next_slot_at) for schedule in schedules(store.reader)] == [
        (now + 5 * HOUR, now + 6 * HOUR)
    ]
    assert [run for _, _, run in slots(store)] == [None, "s1", "s2", "s3", "s4", "early"]


def test_schedule_that_a_clock_ahead_announced_is_pulled_back(store, clock):
    """It has no slot yet; one that was announced just now is left alone, and so is one that is over."""
    clock.forward(HOUR)
    store.announce("a", schedules=(row(clock.now() + HOUR),))
    clock.forward(-HOUR)
    now = clock.now()
    store.do(PullBackSchedule("a", now + 5_000))
    store.do(PullBackSchedule("a", now + 9_000))
    assert [(schedule.low_water_at, schedule.next_slot_at) for schedule in schedules(store.reader)] == [
        (now, now + 5_000)
    ]


def test_pauses_stay_on_record(store, clock):
    """Anyone who asks later why nothing was made is reported: until it was resumed, ended by itself, or another one began."""
    store.announce("a", schedules=(row(10**14),))
    first = clock.now()
    store.do(PauseAutomation("a", None, "ann", "maintenance"))
    clock.forward(10_000)
    second = clock.now()
    store.do(PauseAutomation("a", second + 60_000, "bob", None))
    clock.forward(10_000)
    third = clock.now()
    store.do(ResumeAutomation("a"))
    earlier, later = store.engine_reads.pauses("a", 0)
    assert (earlier.paused_at, earlier.ended_at, earlier.by, earlier.reason) == (first, second, "ann", "maintenance")
    assert (later.paused_at, later.until_at, later.ended_at) == (second, second + 60_000, third)
    assert earlier.covers(first)
    assert not earlier.covers(second)
    assert later.covers(third - 1)
    assert not later.covers(third)
    assert store.engine_reads.pauses("a", second) == [later]


def test_pause_that_is_resumed_in_the_same_commit_is_over(store, clock):
    """It hides no later slot; one that follows in that commit again continues."""
    store.announce("a")
    store.do(PauseAutomation("a", None, "ann", None), ResumeAutomation("a"))
    at = clock.now()
    assert [pause.ended_at for pause in store.engine_reads.pauses("a", at - 1)] == [at]
    clock.forward(1_000)
    pause = PauseAutomation("a", None, "bob", "noisy")
    store.do(PauseAutomation("a", None, "ann", None), ResumeAutomation("a"), pause)
    (found_pause,) = store.engine_reads.pauses("a", at + 1)
    assert (found_pause.by, found_pause.ended_at, found_pause.covers(clock.now() + 1)) == ("bob", None, True)


def test_pauses_follow_a_new_name(store, clock):
    """Like all the rest of its history."""
    store.announce("a", schedules=(row(10**14),))
    store.do(PauseAutomation("a", None, "ann", None))
    store.announce("b", was="a")
    assert [pause.by for pause in store.engine_reads.pauses("b", 0)] == ["ann"]
    assert store.engine_reads.pauses("a", 0) == []
