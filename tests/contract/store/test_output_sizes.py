"""How much runs put out, and how slots were kept: recorded and read alike on every database."""

import msgspec
import pytest

from mainspring.alerting.inputs.baselines import Baselines
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.run_history import PunctualityHistory
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.monitors.inputs import DueSecret
from mainspring.domain.states import RunState
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.github import github
from mainspring.store.commands.automations import ApplyRetention, MakeSlot, ScheduleRow
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.runs import MarkRunDone, SlotLink
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.read.automations import monitor_reads
from tests.contract.store.deliveries import announced
from tests.contract.store.process import complete, fail, finish, halt

MINUTE, DAY = 60_000, 86_400_000


@pytest.fixture
def facts(store, clock):
    """Of automation "a", as a watcher reads them that has just begun."""

    def read(name="a", **options):
        found = FactsReader(store.reader, at_once=None, **options).read(clock.now())
        return next(automation for automation in found.automations if automation.name == name)

    return read


def recorded(id, now, state=RunState.SUCCEEDED, **options):
    return RecordExecRun(id, "a", "exec", 1, None, "exec", "json", b"{}", state, now, now, **options)


def test_size_is_recorded_with_the_end(store, clock, facts):
    """Whichever way a run ends, alone or in a group; of what failed, or no one measured, it is unknown."""
    ends = [
        [finish(store.begin(), result=b"7", output_size=1)],
        [complete(store.begin(), output_size=2)],
        [recorded("r_x", clock.now(), output_size=0)],
        [make(store.begin(), output_size=n) for n, make in enumerate((finish, finish, complete, complete), start=3)],
        [fail(store.begin())],
        [finish(store.begin()), complete(store.begin())],
    ]
    for group in ends:
        store.do(*group)
    runs = {
        command.run if not isinstance(command, RecordExecRun) else command.id: command.output_size
        for group in ends
        for command in group
    }
    assert {run: store.run(run).output_size for run in runs} == runs
    stored = {end.run: end.size for end in facts().ends}
    assert stored == {run: runs[run] for run in stored}
    assert len(stored) == 10


def test_run_that_a_person_declares_done_has_no_size(store, facts):
    """No one measured what they did."""
    run = store.begin()
    store.do(halt(run, "s#1"), MarkRunDone(run.id, b"1"))
    assert (store.run(run.id).state, store.run(run.id).output_size) == (RunState.SUCCEEDED, None)
    assert [end.size for end in facts().ends] == [None]


def test_end_of_a_recorded_run_that_was_missing_brings_its_size(store, clock):
    """As told by who ran it, when the store was away meanwhile."""
    run = store.begin()
    record = recorded(run.id, clock.now(), session=store.session, claim=run.claim, output_size=9)
    store.do(record)
    assert store.run(run.id).output_size == 9


def test_sizes_are_those_of_ended_days(store, clock, facts):
    """The smallest of each day, to a factor of two; before and after figures are folded, and nothing of the day itself."""
    clock.forward(DAY - clock.now() % DAY)
    first_at = clock.now()
    for sizes in ((100, 5_000), (0,), (70, None)):
        store.do(*[finish(store.begin(), output_size=size) for size in sizes])
        clock.forward(DAY)
    store.do(finish(store.begin(), output_size=1), fail(store.begin()))
    known = facts().sizes
    assert (known.successes, known.over_ms) == (4, 3 * DAY)
    assert known.days == ((0, first_at + DAY, first_at + DAY), (65, first_at, first_at + 2 * DAY))
    clock.forward(3 * DAY)
    store.do(ApplyRetention(None, None, None, None, None))
    assert facts().sizes == known
    assert facts("b").sizes is None
    few = Baselines(store.reader, 1)
    assert [len(few.sizes({"a": clock.now(), "b": clock.now()})) for _ in range(2)] == [1, 2]


def test_slots_report_how_a_schedule_kept_its_times(store, clock):
    """Up to the begin of the day; skipped ones count, unless the definition says that they are to be skipped."""
    spec = b'{"every":60000}'
    clock.forward(DAY - clock.now() % DAY)
    now = clock.now()
    schedule = ScheduleRow("a", "a", spec, now + MINUTE, "k")
    store.announce("a", schedules=(schedule,))
    for n in range(1, 31):
        slot = now + n * MINUTE
        clock.forward(MINUTE)
        start = store.starting(slot=SlotLink("a", slot)) if n % 3 == 0 else None
        verdict = SlotVerdict.SKIPPED if start is None else SlotVerdict.RUN
        store.do(MakeSlot("a", slot, slot + MINUTE, verdict, start, None))
        for run in store.claim(10).runs:
            store.do(finish(run))

    def stored(at, **options):
        (automation,) = [
            automation for automation in FactsReader(store.reader).read(at).automations if automation.name == "a"
        ]
        return PunctualityHistory(store.reader, None).of([automation], at)["a"]

    assert stored(clock.now()) is None
    clock.forward(DAY)
    found = stored(clock.now())
    assert (found.slots, found.skipped, found.declared_ms, found.effective_ms) == (30, 20, MINUTE, 3 * MINUTE)
    assert FactsReader(store.reader).read(clock.now()).punctual == {"a": found}
    stated = Definition(kind=DefinitionKind.TASK, name="a", options={"every": "1m", "overlap": "skip"})
    store.announce("a", schedules=(schedule,), definition=msgspec.json.encode(stated.to_data()))
    assert stored(clock.now()).skipped == 0
    assert stored(clock.now() + 29 * DAY) is None


def test_slots_of_many_schedules_are_read_some_hundred_at_a_time(store, clock, monkeypatch):
    """Anyone who reads all at once holds two hundred slots of each, but not of all at a time."""
    names = tuple(f"a{number:03}" for number in range(401))
    rows = tuple(ScheduleRow(name, name, b'{"every":60000}', clock.now() + MINUTE, "k") for name in names)
    store.announce(*names, schedules=rows)
    reads: list[int] = []
    real = monitor_reads.slot_starts
    monkeypatch.setattr(
        monitor_reads,
        "slot_starts",
        lambda reader, names, *more: reads.append(len(names)) or real(reader, names, *more),
    )
    found = FactsReader(store.reader, at_once=None).read(clock.now()).punctual
    assert found == dict.fromkeys(names)
    assert reads == [200, 200, 1]


def test_slot_whose_run_is_not_kept_reports_nothing(store, clock):
    """It began, and no one knows when: that is no delay."""
    spec = b'{"every":60000}'
    clock.forward(DAY - clock.now() % DAY)
    now = clock.now()
    store.announce("a", schedules=(ScheduleRow("a", "a", spec, now + MINUTE, "k"),))
    clock.forward(MINUTE)
    start = store.starting(slot=SlotLink("a", now + MINUTE))
    store.do(MakeSlot("a", now + MINUTE, now + 2 * MINUTE, SlotVerdict.RUN, start, None))
    store.do(finish(store.claim_one()))
    assert len(store.read("slot_starts", "a", 10)) == 1
    store.do(ApplyRetention(clock.now() + 1, None, None, None, None))
    assert store.read("slot_starts", "a", 10) == []


def test_secrets_come_with_the_triggers_that_need_them(store, clock):
    """Two names of one variable are one secret; one that no one needs is there too; a trigger of another version is in no one's way."""
    hook = Trigger(source=Webhook(path="/gh", verify=github("gh-hook")))
    row = TriggerRow("a/webhook", "a", "webhook", msgspec.json.encode(hook), "/gh")
    newer = TriggerRow("b/pigeon", "b", "pigeon", b'{"source": {"type": "pigeon"}}', None)
    store.do(announced(row, newer))
    due = (DueSecret("GH_HOOK", "2027-01-31", 1, ("channel ops",)), DueSecret("OTHER", "2027-01-31", 1))
    found = FactsReader(store.reader, secrets=due).read(clock.now()).secrets
    assert [secret.used_by for secret in found] == [("channel ops", "trigger a/webhook"), ()]
    assert FactsReader(store.reader).read(clock.now()).secrets == ()
