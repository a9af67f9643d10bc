"""What monitors read, on every database: the same facts from the same history."""

import json
from datetime import timedelta

import msgspec
import pytest

from mainspring.alerting.inputs.baselines import Baselines
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import UnreachableSource
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.domain.states import RunState
from mainspring.domain.triggers.trigger import Trigger
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.store.commands.automations import (
    BACKFILL,
    AcquireLock,
    AnnounceDefinitions,
    ApplyRetention,
    AuditedCommand,
    AutomationRow,
    MakeSlot,
    PauseAutomation,
    PauseQueue,
    ResumeAutomation,
    RetireAutomation,
    ScheduleRow,
    SetMeta,
    SetQueue,
)
from mainspring.store.commands.runs import SlotLink
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead, RecordHeartbeat
from mainspring.store.commands.triggers import ReportConsumer, TriggerRow
from tests.contract.store.deliveries import announced
from tests.contract.store.process import ask, fail, finish, halt

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def facts(store, clock):
    """Reads facts as a watcher that has just begun; `facts_of` is an automation of them."""

    def read(**options):
        return FactsReader(store.reader, at_once=None).read(clock.now(), **options)

    return read


def facts_of(facts, name="a"):
    return next(each for each in facts.automations if each.name == name)


def run_once(store, clock, duration_ms=1_000, end=finish):
    run = store.begin()
    clock.forward(duration_ms)
    store.do(end(run))
    return run


def test_ends_are_read_newest_first(store, clock, facts):
    """With state and duration; five of each, and twenty where one of those failed."""
    for _ in range(7):
        run_once(store, clock)
    assert len(facts_of(facts()).ends) == 5
    last = run_once(store, clock, 3_000, fail)
    found = facts_of(facts())
    assert len(found.ends) == 8
    assert (found.ends[0].run, found.ends[0].failed, found.ends[0].duration_ms) == (last.id, True, 3_000)
    assert (found.recent.succeeded, found.recent.failed, found.recent.started) == (7, 1, 8)
    assert facts_of(facts(window=timedelta(hours=2))).recent == found.recent
    assert facts_of(facts(), "b").ends == ()


def test_ends_are_read_again_where_stats_changed(store, clock):
    """A reader that continues sees what a new one sees."""
    reader = FactsReader(store.reader)
    run_once(store, clock)
    reader.read(clock.now())
    clock.forward(HOUR)
    run_once(store, clock)
    assert facts_of(reader.read(clock.now())) == facts_of(FactsReader(store.reader).read(clock.now()))
    assert len(facts_of(reader.read(clock.now())).ends) == 2


def test_success_is_known_exactly_while_its_run_is_kept(store, clock, facts):
    """Afterwards to the end of its minute, and of its hour once figures are folded: never earlier than it was."""
    clock.forward(10_000)
    run_once(store, clock)
    at = clock.now()
    assert facts_of(facts()).succeeded_at == at
    clock.forward(2 * MINUTE)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert facts_of(facts()).succeeded_at == at - at % MINUTE + MINUTE - 1
    clock.forward(3 * DAY)
    late = facts_of(facts()).succeeded_at
    store.do(ApplyRetention(None, None, None, None, None))
    assert late == facts_of(facts()).succeeded_at == at - at % HOUR + HOUR - 1


def test_schedules_come_with_the_slot_that_did_not_start(store, clock, facts):
    """A slot whose run waits is reported until it began."""
    now = clock.now()
    spec = b'{"every":3600000}'
    store.announce("a", "b", schedules=(ScheduleRow("a", "a", spec, now + HOUR, "k"),))
    start = store.starting(slot=SlotLink("a", now + HOUR))
    clock.forward(HOUR)
    store.do(MakeSlot("a", now + HOUR, now + 2 * HOUR, "run", start, None))
    (cadence,) = facts_of(facts()).cadences
    assert (cadence.since_at, cadence.next_slot_at) == (now, now + 2 * HOUR)
    assert (cadence.unbegun_at, cadence.unbegun_run) == (now + HOUR, start.id)
    store.claim_one()
    assert facts_of(facts()).cadences[0].unbegun_run is None


def test_slot_that_did_not_start_is_reported_with_any_next_slot(store, clock, facts):
    """What is skipped because of it does not hide it, and of two that wait the older is reported; a past slot made by hand is none."""
    first = clock.now() + HOUR
    store.announce("a", "b", schedules=(ScheduleRow("a", "a", b'{"every":3600000}', first, "k"),))
    starts = [store.starting(slot=SlotLink("a", first + place * HOUR)) for place in (0, 2)]
    past = store.starting(slot=SlotLink("a", first - HOUR), trigger=f"{BACKFILL}a by ann")
    clock.forward(3 * HOUR)
    store.do(MakeSlot("a", first, first + HOUR, "run", starts[0], None))
    store.do(MakeSlot("a", first + HOUR, first + 2 * HOUR, "skipped", None, "the run of the slot before has not ended"))
    store.do(MakeSlot("a", first + 2 * HOUR, first + 3 * HOUR, "run", starts[1], None))
    store.do(past)
    (cadence,) = facts_of(facts()).cadences
    assert (cadence.unbegun_at, cadence.unbegun_run) == (first, starts[0].id)
    store.claim_one()
    (cadence,) = facts_of(facts()).cadences
    assert (cadence.unbegun_at, cadence.unbegun_run) == (first + 2 * HOUR, starts[1].id)
    store.claim(2)
    assert facts_of(facts()).cadences[0].unbegun_run is None


def test_waiting_running_and_questions_are_read(store, clock, facts):
    """How many could run, since when; since when one runs; what no one answered."""
    at = clock.now()
    run = store.begin()
    store.do(ask(run))
    clock.forward(1_000)
    store.start(queue="mail")
    clock.forward(1_000)
    store.start()
    store.start("b", due_at=clock.now() + DAY)
    found = facts_of(facts())
    assert (found.waiting.number, found.waiting.since_at, found.waiting.queue) == (2, at + 1_000, "mail")
    assert found.running_since_at == at
    assert [(each.run, each.opened_at) for each in found.questions] == [(run.id, at)]
    assert facts_of(facts(), "b").waiting is None


def test_backlog_is_counted_as_far_as_it_is_stated(store, clock):
    """By a reader that has just begun, and by one that continues."""
    store.announce("a", "b", definition=b'{"options":{"backlog":1500}}')
    store.do(*[store.starting() for _ in range(1_500)])
    reader = FactsReader(store.reader)
    for _ in range(2):
        assert facts_of(reader.read(clock.now())).waiting.number == 1_500


def test_pauses_restart_the_expected_interval(store, clock, facts):
    """When someone ended one, or it ended by itself; the paused and the retired are distinguished."""
    store.do(PauseAutomation("a", None, "ann", None))
    assert facts_of(facts()).is_off(clock.now())
    clock.forward(5_000)
    store.do(ResumeAutomation("a"))
    assert facts_of(facts()).expected_from_at == clock.now()
    store.do(PauseAutomation("b", clock.now() + 7_000, "ann", None))
    clock.forward(9_000)
    assert facts_of(facts(), "b").expected_from_at == clock.now() - 2_000
    assert not facts_of(facts(), "b").is_off(clock.now())
    store.do(RetireAutomation("b"))
    assert facts_of(facts(), "b").is_off(clock.now())


def test_hold_of_the_store_restarts_the_expected_interval_but_ends_no_open_silence(store, clock, facts):
    """What was silent before a restore has not succeeded since: it stays wrong, held and released."""
    silent = frozenset({Subject("a", IncidentKind.SILENCE)})
    store.do(SetMeta("held", "1"))
    assert facts_of(facts()).success_from_at == clock.now()
    assert facts_of(facts(open=silent)).success_from_at == 0
    assert facts_of(facts(open=silent)).expected_from_at == clock.now()
    store.do(SetMeta("held", None), SetMeta("released_at", str(clock.now())))
    clock.forward(5_000)
    assert facts_of(facts()).success_from_at == clock.now() - 5_000
    assert facts_of(facts(open=silent)).success_from_at == 0


def test_processes_locks_and_queues_are_read(store, second, clock, facts):
    """Who lives, what is held, what is paused, what came and went."""
    store.do(SetQueue("mail", max_backlog=1_000), SetQueue("default"), AcquireLock("db", "x"))
    store.do(PauseQueue("default", True, "ann"))
    found = facts()
    assert {each.role for each in found.processes} == {"worker"}
    assert all(each.serves for each in found.processes)
    assert facts_of(found).served == 2
    assert "worker" not in found.last_seen, "who has just begun speaks for himself"
    assert [(each.name, each.owner) for each in found.locks] == [("db", "x")]
    queues = {each.name: each for each in found.queues}
    assert (queues["default"].paused_by, queues["mail"].max_backlog) == ("ann", 1_000)
    assert queues["mail"].arrived == 0


def test_schedule_states_since_when_it_is_as_it_is(store, clock, facts):
    """A new interval begins with the next slot: one of before it was announced is not made up for."""
    definition = Definition(kind=DefinitionKind.TASK, name="new")
    row = AutomationRow("new", "task", 1, "code", msgspec.json.encode(definition.to_data()))
    now = clock.now()
    spec = b'{"every":3600000}'
    store.do(AnnounceDefinitions("code", (row,), (ScheduleRow("new", "new", spec, now + 20 * MINUTE),)))
    (cadence,) = facts_of(facts(), "new").cadences
    assert (cadence.next_slot_at, cadence.written_at) == (now + 20 * MINUTE, now)


def test_worker_that_could_load_nothing_is_one_that_could_have(store, new_process, facts):
    """It announced, and found nothing; one that has not announced yet may still find all."""
    worker, client = new_process().open("worker"), new_process().open("app")
    serving = {each.session: each.serves for each in facts().processes}
    assert (serving[worker.session], serving[client.session]) == (False, False)
    for one_of_them in (worker, client):
        one_of_them.do(AnnounceDefinitions("code-2", (), ()))
    serving = {each.session: each.serves for each in facts().processes}
    assert (serving[worker.session], serving[client.session]) == (True, False)


def test_death_after_a_moment_is_no_sign_of_life(store, new_process, clock, facts):
    """Of what died only a life that lasted counts, of what ended by itself or lives every one; ends and deaths are distinguished."""

    def live(role, seconds, *, dies=True):
        process = new_process().open(role)
        clock.forward(seconds * 1_000)
        process.do(RecordHeartbeat())
        store.do(DeclareSessionDead(process.session)) if dies else process.do(CloseSession())
        return clock.now()

    live("watcher", 29)
    assert "watcher" not in facts().last_seen
    lived, died, closed = live("watcher", 30), live("watcher", 2), live("web", 2, dies=False)
    found = facts()
    assert (found.last_seen["watcher"], found.last_died["watcher"], found.last_ended["watcher"]) == (lived, died, died)
    assert (found.last_seen["web"], found.last_ended["web"]) == (closed, closed)
    assert "web" not in found.last_died


def test_traffic_of_a_queue_is_counted_where_its_backlog_is_worth_it(store, clock, facts):
    """By the ids of runs, which sort by time, and by their ends."""
    store.do(SetQueue("mail", max_backlog=1_000))
    store.do(*[store.starting(id=make_id("r", clock.now() + n, n), queue="mail") for n in range(110)])
    clock.forward(1_000)
    store.do(*[finish(run) for run in store.claim(8).runs])
    queue = next(each for each in facts().queues if each.name == "mail")
    assert (queue.backlog, queue.arrived, queue.ended) == (102, 110, 8)


def test_consumer_that_is_unreachable_is_reported_with_its_broker(store, clock, facts):
    """Of a trigger that is there; an automation that listens is known as one."""
    source = parse_broker_queue("nats://mq:4222/ORDERS")
    definition = msgspec.json.encode(Trigger(source=source))
    store.do(announced(TriggerRow("a/queue", "a", "queue", definition, None)))
    store.do(ReportConsumer("a/queue", None, clock.now(), "refused"), ReportConsumer("b/queue", None, 5, "gone"))
    assert facts_of(facts()).away == (UnreachableSource("a/queue", "box", clock.now(), "refused", source.server),)
    assert (facts_of(facts()).listens, facts_of(facts(), "b").listens, facts_of(facts(), "b").away) == (True, False, ())


def test_gaps_are_learned_of_hours(store, clock):
    """The same before and after figures are folded."""
    for gap in (1, 1, 5, 1):
        run_once(store, clock)
        clock.forward(gap * HOUR)
    run_once(store, clock)
    at = clock.now()
    expected = {"a": (at - at % MINUTE, "UTC")}
    known = Baselines(store.reader, None).gaps(expected)["a"]
    assert (known.successes, known.largest_ms, known.over_ms) == (5, 5 * HOUR, 8 * HOUR)
    clock.forward(4 * DAY)
    store.do(ApplyRetention(None, None, None, None, None))
    assert Baselines(store.reader, None).gaps(expected) == {"a": known}


def test_histories_are_those_of_full_days(store, clock):
    """Durations by powers of two, the busiest hour; nothing of the day itself."""
    clock.forward(DAY - clock.now() % DAY)
    for _ in range(3):
        run_once(store, clock, 1_500)
    run_once(store, clock, 100)
    assert Baselines(store.reader, None).histories({"a": clock.now()})["a"].runs == 0
    clock.forward(DAY)
    run_once(store, clock, 9)
    known = Baselines(store.reader, None).histories({"a": clock.now(), "b": clock.now()})
    assert known["a"].buckets == ((7, 1), (11, 3))
    assert (known["a"].busiest_hour, known["a"].over_ms) == (4, DAY)
    assert (known["b"].runs, known["b"].busiest_hour, known["b"].over_ms) == (0, 0, 0)


def test_history_is_read_some_at_a_time(store, clock):
    """Who is left out has its turn in a later look; what was read is kept."""
    run_once(store, clock)
    learned = Baselines(store.reader, 1)
    expected = {"a": clock.now(), "b": clock.now()}
    assert set(learned.histories(expected)) == {"a"}
    assert set(learned.histories(expected)) == {"a", "b"}


def test_yardstick_is_constant_while_nothing_ends(store, clock, facts):
    """The day after a run its own duration is no part of what it is judged by."""
    run_once(store, clock)
    clock.forward(2 * DAY)
    run_once(store, clock, 10)
    known = facts_of(facts()).history
    clock.forward(3 * DAY)
    assert facts_of(facts()).history == known
    assert known.runs == 1


def test_help_of_people_is_counted(store, clock, facts):
    """Runs that they started, where no one needs to, and continued; not what programs did."""
    definition = Definition(kind=DefinitionKind.TASK, name="a", options={"cron": ["0 3 * * *"]})
    store.announce(
        *("a", "b"),
        schedules=(ScheduleRow("a", "a", b'{"cron":"0 3 * * *"}', clock.now() + DAY, "k"),),
        definition=json.dumps(definition.to_data()).encode(),
    )
    run = run_once(store, clock, end=fail)
    store.do(
        AuditedCommand("c1", "cli:ann@box", "retry", f"run:{run.id}", AcquireLock("x", "x")),
        AuditedCommand("c2", "cli:ann@box", "start", "automation:a", AcquireLock("y", "y")),
        AuditedCommand("c3", "app:1@box", "retry", f"run:{run.id}", AcquireLock("z", "z")),
    )
    by_hand = facts().by_hand
    assert (by_hand["a"].helped, by_hand["a"].started) == (2, 1)
    assert set(by_hand) == {"a"}


def test_all_is_healthy_where_nothing_happened(store, clock):
    """The round of a store with two automations that no one started finds nothing."""
    facts = FactsReader(store.reader).read(clock.now())
    assert evaluate_all(facts, DEFAULT_TUNINGS, clock.now()).findings == ()


def test_failures_are_found_in_what_was_read(store, clock, facts):
    """Five failures in a row are a rate of failure."""
    for _ in range(5):
        run_once(store, clock, end=fail)
    run = store.begin()
    store.do(halt(run))
    found = evaluate_all(facts(), DEFAULT_TUNINGS, clock.now()).findings
    assert [each.subject.kind for each in found] == [IncidentKind.FAIL_RATE]
    assert store.state(run.id) == RunState.NEEDS_ATTENTION
