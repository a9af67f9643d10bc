"""What starts soonest, how long it took, what did not start in time: on every database."""

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import MakeSlot, PauseAutomation, RetireAutomation, ScheduleRow
from mainspring.store.commands.runs import SlotLink
from mainspring.store.read.automations.agenda import irregular_slots, planned_page, planned_starts, usual_lengths
from tests.contract.store.process import finish

HOURLY = b'{"cron":"0 * * * *"}'


def names(store, **options):
    return [start.name for start in planned_starts(store.reader, **{"limit": 10, **options})]


def test_soonest_start_is_first(store, clock):
    """Of all, of those whose name holds a text as it is written, or of those that are named; what is retired or has no next is left out."""
    now = clock.now()
    for place, name in enumerate(("pay_1", "payX1", "Pay", "gone", "never")):
        row = ScheduleRow(name, name, HOURLY, None if name == "never" else now + 9_000 - place * 1_000, "k")
        store.announce(name, schedules=(row,))
    store.do(RetireAutomation("gone"))
    assert names(store) == ["Pay", "payX1", "pay_1"]
    assert names(store, limit=2) == ["Pay", "payX1"]
    assert names(store, name="pay_") == ["pay_1"]
    assert names(store, name="pay") == ["payX1", "pay_1"]
    assert names(store, automations=["Pay", "pay_1"]) == ["Pay", "pay_1"]
    assert names(store, automations=[]) == []
    store.do(PauseAutomation("Pay", now + 60_000, "ann", None))
    first = planned_starts(store.reader, limit=1)[0]
    assert (first.paused_at, first.paused_until) == (now, now + 60_000)


def test_starts_are_read_by_name_in_pages(store, clock):
    """Each automation with all of its schedules, however many there are of it; what is filtered out is none of the part."""
    now = clock.now()
    for name, *schedules in (("a", "a", "a#2"), ("b", "b"), ("c", "c", "c#2"), ("gone", "gone"), ("never", "never")):
        rows = [
            ScheduleRow(schedule, name, HOURLY, None if name == "never" else now + 1, schedule)
            for schedule in schedules
        ]
        store.announce(name, schedules=tuple(rows))
    store.do(RetireAutomation("gone"))

    def part(after="", limit=2, **options):
        found = planned_page(store.reader, **{"name": None, "automations": None, **options}, after=after, limit=limit)
        return [automation.name for automation in found]

    assert part() == ["a", "a#2", "b"]
    assert part(limit=1) == ["a", "a#2"]
    assert part("b") == ["c", "c#2"]
    assert part("c") == []
    assert part(automations=["b", "c"], limit=1) == ["b"]
    assert part(automations=[]) == []
    assert part(name="c") == ["c", "c#2"]


def test_slots_that_were_not_in_time_are_found(store, clock):
    """Missed, skipped and late ones, newest first; what ran in time, is older, or is another's is not."""
    now = clock.now()
    for name in ("a", "b"):
        store.announce(name, schedules=(ScheduleRow(name, name, HOURLY, now - 500_000, "k"),))

    def make(at, verdict="run", schedule="a"):
        link = SlotLink(schedule, at)
        start = store.starting(schedule, slot=link) if verdict == "run" else None
        store.do(MakeSlot(schedule, at, now + 1_000, verdict, start, "why"))

    make(now - 500_000, "missed")
    make(now - 400_000, "missed")
    make(now - 300_000, "skipped")
    make(now - 200_000)
    make(now - 30_000)
    make(now - 250_000, "missed", "b")
    found = irregular_slots(store.reader, ["a"], now - 400_000, 10)
    assert [(slot.slot_at - now, slot.verdict) for slot in found] == [
        (-200_000, "run"),
        (-300_000, "skipped"),
        (-400_000, "missed"),
    ]
    assert found[0].run is not None
    assert found[2].note == "why"
    assert len(irregular_slots(store.reader, ["a", "b"], 0, 10)) == 5
    assert len(irregular_slots(store.reader, ["a", "b"], 0, 2)) == 2


def test_usual_length_is_that_of_half_of_the_newest_successes(store, clock):
    """What failed tells nothing of it; what never succeeded has none."""
    for duration_ms, state in ((9_000, None), (1_000, None), (5_000, None), (3_000, None), (70_000, RunState.FAILED)):
        run = store.begin()
        clock.forward(duration_ms)
        store.do(finish(run) if state is None else finish(run, state))
    store.start("b")
    assert usual_lengths(store.reader, ["a", "b"], 4) == {"a": 3_000}
    assert usual_lengths(store.reader, ["a"], 10) == {"a": 5_000}
