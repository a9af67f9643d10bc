"""Backfill: each slot of the past once, as an act on record; and the check that finds slots without one."""

from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import NotFoundError, OptionError
from mainspring.domain.time.rate import parse_rate
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.service import backfill
from mainspring.service.runs.bulk import BulkDueTimes
from mainspring.service.slot_check import unaccounted
from mainspring.store.commands.automations import MakeSlot, PauseAutomation, ResumeAutomation
from mainspring.store.commands.runs import CancelRun
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.read.status.status import slots

HOUR = 3_600_000


def declared(**options):
    with Registry() as registry:

        @ms.task(**({"cron": "0 * * * *", "title": "of {slot:%F %H}"} | options))
        def work(account: str = "main") -> None: ...

    return registry


@pytest.fixture
def announced(store, clock):
    """Announce an hourly task; return the full hour before now."""

    def announce(**options):
        store.apply(build_announcement(declared(**options), clock.now()))
        return clock.now() - clock.now() % HOUR

    return announce


def make(store, reads, clock, act, first, end, **options):
    found = backfill.list_past_slots(reads, "work", first, end, clock.now())
    return backfill.backfill(store, reads, clock, "work", found, act=act, **options)


def test_backfill_makes_each_slot_of_a_past_range_once(store, reads, clock, act, announced):
    """From the first instant to before the last; below low water; a second one finds them all made."""
    top = announced()
    answer = make(store, reads, clock, act("b1"), top - 3 * HOUR, top)
    assert (answer.made, answer.refused) == (3, {})
    runs = list_runs(store.reader, name="work").runs
    begin = datetime.fromtimestamp((top - 3 * HOUR) / 1000, UTC)
    titles = [f"of {begin + timedelta(hours=n):%F %H}" for n in range(3)]
    assert sorted(run.title for run in runs) == titles
    assert [(slot.slot_at, slot.verdict) for slot in slots(store.reader, "work")] == [
        (top - n * HOUR, "run") for n in (1, 2, 3)
    ]
    again = make(store, reads, clock, act("b2"), top - 4 * HOUR, top)
    assert (again.made, sum(slot.needs_run for slot in again.slots)) == (1, 1)


def test_runs_are_made_in_the_order_of_their_slots(store, reads, clock, act, announced):
    """They run one after another, so that the order of their commits is the order of the work."""
    top = announced()
    assert make(store, reads, clock, act("b1"), top - 200 * HOUR, top).made == 200
    titles = [run.title for run in reversed(list_runs(store.reader, name="work", limit=200).runs)]
    assert titles == sorted(titles)


def test_slots_are_repeated_on_purpose(store, reads, clock, act, announced):
    """Those whose run has ended get a new one under the same key; the record says by whom, and monitors count the newest."""
    top = announced(overlap="allow")
    make(store, reads, clock, act("b1"), top - 2 * HOUR, top)
    first, second = list_runs(store.reader, name="work").runs
    store.apply(CancelRun(first.id, "c1"))
    found = backfill.list_past_slots(reads, "work", top - 2 * HOUR, top, clock.now(), again=True)
    answer = backfill.backfill(store, reads, clock, "work", found, act=act("b2"))
    assert answer.made == 1
    ((_, reason),) = answer.refused.items()
    assert f"run {second.id}" in reason
    assert "has not ended" in reason
    repeated = next(slot for slot in slots(store.reader, "work") if slot.number == 2)
    assert repeated.run not in (first.id, second.id)
    assert "repeated by" in (repeated.note or "")


def test_backfill_repeated_under_its_command_id_makes_no_more(store, reads, clock, act, announced):
    """Anyone who lost the answer asks again."""
    top = announced()
    found = backfill.list_past_slots(reads, "work", top - 3 * HOUR, top, clock.now())
    for _ in range(2):
        answer = backfill.backfill(store, reads, clock, "work", found, act=act("same"))
        assert (answer.made, answer.refused) == (3, {})
    assert len(list_runs(store.reader, name="work").runs) == 3
    operations = [row for row in reads.audit_rows(limit=100) if row.verb == "backfill"]
    assert len(operations) == 3
    assert {row.actor for row in operations} == {"cli:ann@box"}


def test_slot_that_was_made_meanwhile_is_refused_in_words(store, reads, clock, act, announced):
    """By who looked at the same range before; all slots of a schedule are made of one reading of its definition."""
    top = announced()
    found = backfill.list_past_slots(reads, "work", top - 2 * HOUR, top, clock.now())
    backfill.backfill(store, reads, clock, "work", found[:1], act=act("b1"))
    (made,) = list_runs(store.reader, name="work").runs
    answer = backfill.backfill(store, reads, clock, "work", found, act=act("b2"))
    assert answer.made == 1
    at = datetime.fromtimestamp((top - 2 * HOUR) / 1000, UTC)
    reason = answer.refused[found[0].key]
    assert f"'work' has its run of {at:%Y-%m-%d %H:%M:%S} UTC already: {made.id}" in reason


def test_definition_is_read_once_for_all_slots(store, reads, clock, act, announced, monkeypatch):
    """Ten thousand slots are ordinary."""
    top = announced()
    decoded = []
    plain = backfill.Definition.from_data
    monkeypatch.setattr(backfill.Definition, "from_data", lambda data: decoded.append(data) or plain(data))
    assert make(store, reads, clock, act("b1"), top - 5 * HOUR, top).made == 5
    assert len(decoded) == 1


def test_dry_run_changes_nothing(store, reads, clock, act, announced):
    """It says what would be made."""
    top = announced()
    answer = make(store, reads, clock, act("b"), top - 3 * HOUR, top, dry_run=True)
    assert (answer.made, len(answer.slots)) == (0, 3)
    assert slots(store.reader, "work") == []


def test_missed_slots_are_made_up_for_and_those_to_come_left(store, reads, clock, act, announced):
    """What the scheduler has not come to is its own."""
    top = announced()
    clock.forward(3 * HOUR)
    store.apply(MakeSlot("work", top + HOUR, top + 2 * HOUR, "missed", None, "no scheduler was running"))
    found = backfill.list_past_slots(reads, "work", top, top + 3 * HOUR, clock.now())
    assert [(slot.slot_at - top, slot.verdict, slot.is_to_come) for slot in found] == [
        (0, None, False),
        (HOUR, "missed", False),
        (2 * HOUR, None, True),
    ]
    assert make(store, reads, clock, act("b"), top, top + 3 * HOUR).made == 2


def test_backfilled_runs_go_behind_all_others_and_one_after_the_other(store, reads, clock, act, announced):
    """Lowest priority and one partition, unless runs may overlap; with a rate each has its time."""
    top = announced()
    due = BulkDueTimes(clock.now(), parse_rate("1/m"))
    make(store, reads, clock, act("b"), top - 3 * HOUR, top, due=due)
    rows = store.reader.read_text(
        "select priority, partition, due_at from runs where automation = 'work' order by due_at"
    )
    assert [(priority, partition) for priority, partition, _ in rows] == [(-1_000, "schedule:work")] * 3
    assert [due_at - clock.now() for *_, due_at in rows if due_at > clock.now()] == [60_000, 120_000]


def test_runs_that_may_overlap_have_no_line(store, reads, clock, act, announced):
    """overlap="allow" says that they do not mind."""
    top = announced(overlap="allow")
    make(store, reads, clock, act("b"), top - 2 * HOUR, top)
    assert store.reader.read_text("select distinct partition from runs where automation = 'work'") == [(None,)]


def test_backfill_refuses_ranges_that_cannot_be(reads, clock, announced):
    """Empty, of the future, or too long; and what has no schedule."""
    top = announced()
    for first, end in ((top, top), (top, clock.now() + HOUR), (top - 20_000 * HOUR, top)):
        with pytest.raises(OptionError) as refused:
            backfill.list_past_slots(reads, "work", first, end, clock.now())
        assert refused.value.hint
    with pytest.raises(NotFoundError, match="no schedule"):
        backfill.list_past_slots(reads, "backup", top - HOUR, top, clock.now())


# -- the independent check ---------------------------------------------------------------------------------------------


def missing(reads, clock):
    return [at for schedule in unaccounted(reads, 0, clock.now(), clock.now()) for at in schedule.slots]


def test_check_finds_slots_with_neither_run_nor_record(store, reads, clock, announced):
    """A schedule that jumped ahead without an error is found, whatever it says of itself."""
    top = announced()
    clock.forward(4 * HOUR)
    store.apply(MakeSlot("work", top + HOUR, top + 4 * HOUR, "skipped", None, "a run goes on"))
    assert missing(reads, clock) == [top + 2 * HOUR, top + 3 * HOUR]


def test_check_finds_a_schedule_that_is_stuck(store, reads, clock, announced):
    """Enabled, no error, and nothing due: windmill 10168."""
    top = announced()
    clock.forward(HOUR)
    store.apply(MakeSlot("work", top + HOUR, None, "skipped"))
    clock.forward(3 * HOUR + 60_001)
    assert missing(reads, clock) == [top + 2 * HOUR, top + 3 * HOUR, top + 4 * HOUR]


def test_check_leaves_what_is_late_to_the_scheduler(reads, clock, announced):
    """Its own check says that it is late."""
    announced()
    clock.forward(4 * HOUR)
    assert missing(reads, clock) == []


def test_check_expects_nothing_of_a_pause_that_continues(store, reads, clock, announced):
    """Its records are made when it is over; from then on they are expected."""
    top = announced()
    clock.forward(HOUR)
    store.apply(MakeSlot("work", top + HOUR, None, "run", None))
    store.apply(PauseAutomation("work", None, "ann", None))
    clock.forward(4 * HOUR + 60_001)
    assert missing(reads, clock) == []
    store.apply(ResumeAutomation("work"))
    assert len(missing(reads, clock)) == 4


def test_check_expects_nothing_from_before_a_schedule_was(store, reads, clock, announced):
    """What another schedule told is not judged by this one."""
    announced()
    clock.forward(4 * HOUR)
    announced(cron="30 * * * *")
    assert missing(reads, clock) == []
