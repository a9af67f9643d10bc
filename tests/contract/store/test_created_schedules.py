"""Schedules that a person or program creates, beside those declared in code."""

import json

import msgspec

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.definitions.schedule_options import read_schedule_options
from mainspring.domain.monitors.system import definition_lost
from mainspring.domain.monitors.timing import late_start, silence
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule
from mainspring.service.actor import Actor, operation_context
from mainspring.service.backfill import backfill, list_past_slots
from mainspring.service.slot_check import unaccounted
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    AutomationRow,
    PauseAutomation,
    ResumeAutomation,
    RetireAutomation,
    ScheduleRow,
)
from mainspring.store.commands.exec_runs import DescribeExecAutomation
from mainspring.store.commands.results import DONE, Refused, ScheduleChanged
from mainspring.store.commands.schedules import ChangeSchedule, CreateSchedule, DeleteSchedule, PauseSchedule
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.schedules import find_automation_of_schedule, list_created_schedules, read_open_pause
from mainspring.store.read.status.status import automations, next_slot_at, plans, schedules
from tests.contract.store.created_schedules import (
    MINUTE,
    announce,
    change,
    create,
    delete,
    find,
    pause,
    plan,
    resume,
    serve,
    slots,
)
from tests.contract.store.process import audited


def refused_code(answer):
    assert isinstance(answer, Refused), answer
    return answer.code


def test_created_schedule_starts_runs_from_its_creation_on(store, clock):
    """Its slots are those of its options after the creation; each has its run, with the schedule as its item."""
    announce(store)
    clock.forward(30_000)
    answer = create(store, every="1m", tags={"customer": "acme"})
    assert (answer.version, answer.text, answer.before) == (1, "every 1m; tags customer=acme", None)
    created_at = clock.now()
    assert answer.next_slot_at == created_at - created_at % MINUTE + MINUTE
    assert serve(store) == []
    clock.forward(MINUTE)
    (started,) = serve(store)
    run = store.run(started.run)
    assert (run.schedule, run.slot_at, run.trigger) == ("acme", answer.next_slot_at, "schedule acme")
    assert (run.run_key, json.loads(run.tags)) == (f"acme@{answer.next_slot_at}", {"customer": "acme"})
    assert store.reader.read_text("select healthy, item from runs", ()) == [("item", "acme")]
    assert find(store).last_slot_at == answer.next_slot_at


def test_operation_sent_again_counts_once(store):
    """Under one command id the first answer is the answer."""
    announce(store)
    created = audited(CreateSchedule("acme", "report", {"every": "1m"}, None, b"{}", "UTC"), verb="create")
    first = store.twice(created)
    assert isinstance(first, ScheduleChanged)
    assert store.do(created) == first
    for command in (
        ChangeSchedule("acme", {"every": "2m"}, None, None, "UTC"),
        PauseSchedule("acme", "me", None),
        DeleteSchedule("acme"),
    ):
        assert isinstance(store.twice(audited(command)), ScheduleChanged)
    assert store.reader.read_text("select version from schedules", ()) == [(4,)]


def test_taken_names_are_refused(store):
    """Those of other schedules, of automations, and of schedules in code."""
    announce(store)
    announce(store, "nightly")
    create(store)
    assert refused_code(create(store)) == "taken"
    assert refused_code(create(store, "nightly")) == "taken"
    assert refused_code(create(store, "report")) == "taken"


def test_automation_must_exist_and_not_be_retired(store):
    """The refusal names the schedule and the automation."""
    announce(store)
    assert create(store, automation="other") == Refused(
        "no_automation", "schedule 'acme' names automation 'other', which no worker has announced"
    )
    store.do(RetireAutomation("report"))
    assert create(store) == Refused("retired", "schedule 'acme' names automation 'report', which is retired")


def test_schedule_that_never_comes_is_refused(store):
    """Also by a change, which leaves the schedule as it was."""
    announce(store)
    assert refused_code(create(store, at=["2020-01-01T00:00"])) == "wrong_schedule"
    assert refused_code(create(store, cron=["0 0 * * *"], every="1m")) == "wrong_schedule"
    create(store)
    before = find(store)
    assert refused_code(change(store, at=["2020-01-01T00:00"])) == "wrong_schedule"
    assert find(store) == before


def test_schedule_in_code_is_not_operated_on(store, clock):
    """The refusal names its automation."""
    store.announce("a", schedules=(ScheduleRow("a", "a", b'{"every":60000}', clock.now() + MINUTE),))
    for operation in (change, pause, resume, delete):
        assert operation(store, "a") == Refused("declared", "schedule 'a' is declared in the code of automation 'a'")
        assert operation(store, "b") == Refused("no_schedule", "there is no schedule 'b'")
    assert find_automation_of_schedule(store.reader, "a") == "a"


def test_lost_update_is_refused(store):
    """Each operation has the next version, and one that expects another version changes nothing."""
    announce(store)
    create(store)
    assert change(store, every="2m", expected=1).version == 2
    assert change(store, every="3m", expected=1) == Refused(
        "version_conflict", "schedule 'acme' has version 2 (expected 1): another operation was faster"
    )
    assert find(store).options == {"every": "2m"}
    assert pause(store, expected=2).version == 3
    assert [refused_code(operation(store, expected=2)) for operation in (pause, resume, delete)] == [
        "version_conflict"
    ] * 3
    assert resume(store, expected=3).version == 4
    assert delete(store, expected=4).version == 5
    assert create(store).version == 6


def test_change_keeps_what_it_does_not_state(store):
    """None clears an option, a new time replaces the other one, and the answer has the old and the new text."""
    announce(store)
    create(store, cron=["0 3 * * *"], tz="Europe/Berlin", jitter="5m", input=b'{"n":1}')
    answer = change(store, every="1h", overlap="queue")
    assert answer.before == "every day at 03:00 (Europe/Berlin); jitter 5m"
    assert (answer.text, answer.is_input_changed) == ("every 1h; jitter 5m; overlap queue", False)
    assert change(store, jitter=None, input=b'{"n":2}').is_input_changed
    assert (find(store).options, find(store).input) == ({"every": "1h", "overlap": "queue"}, b'{"n":2}')


def test_slot_due_before_a_change_keeps_its_old_time(store, clock):
    """And the first new slot is after the change."""
    announce(store, overlap="allow")
    create(store, every="10m")
    first = find(store).next_slot_at
    clock.at = first + 5_000
    change(store, cron=["1 * * * *"])
    assert unaccounted(OperationReads(store.reader), 0, clock.now(), clock.now()) == []
    serve(store)
    schedule = find(store)
    assert list(slots(store)) == [first]
    assert schedule.next_slot_at == Schedule.parse(cron="1 * * * *").next_after(clock.now())
    change(store, cron=["2 * * * *"])
    assert Schedule.from_data(msgspec.json.decode(find(store).spec)).earlier is None


def test_changes_without_a_scheduler_are_bounded(store, clock):
    """Each of them keeps the form before, whose slots are due."""
    announce(store, overlap="allow", misfire="all")
    create(store, every="1m")
    clock.forward(2 * MINUTE)
    answers = [change(store, every=f"{number}m") for number in range(2, 14)]
    assert [type(answer) for answer in answers] == [ScheduleChanged] * 10 + [Refused] * 2
    assert answers[-1].code == "unserved_changes"
    serve(store)
    assert len(slots(store)) == 2
    assert isinstance(change(store, every="1h"), ScheduleChanged)


def test_deleted_schedule_makes_no_slot_and_is_not_watched(store, clock):
    """A new one of its name has none before its creation either."""
    announce(store)
    create(store)
    clock.forward(3 * MINUTE)
    delete(store)
    assert plan(store) == []
    assert (find(store), list_created_schedules(store.reader), plans(store.reader)) == (None, [], [])
    assert next_slot_at(store.reader) is None
    clock.forward(3 * MINUTE)
    create(store)
    assert plan(store) == []
    created_at = clock.now()
    clock.forward(MINUTE)
    serve(store)
    assert [at > created_at for at in slots(store)] == [True]


def test_slot_planned_for_an_earlier_version_is_refused(store, clock):
    """The scheduler plans it again."""
    announce(store)
    create(store)
    clock.forward(2 * MINUTE)
    (planned, *_) = plan(store)
    change(store, input=b'{"n":2}', overlap="allow")
    assert refused_code(store.do(planned)) == "stale_plan"
    assert slots(store) == {}
    assert len(serve(store)) == 2


def test_worker_that_restarts_keeps_created_schedules(store, new_process, clock):
    """Its announcement ends the schedules that its code lost, and no created one; a new worker makes the first slot."""
    store.announce("report", schedules=(ScheduleRow("report", "report", b'{"every":60000}', clock.now() + MINUTE),))
    announce(store)
    create(store)
    announce(store, fingerprint="code-2")
    worker = new_process().open()
    announce(worker, fingerprint="code-3")
    assert {row.name: row.retired_at is None for row in schedules(worker.reader)} == {"acme": True, "report": False}
    clock.forward(MINUTE)
    assert len(serve(worker)) == 1


def test_declared_schedule_does_not_replace_a_created_one(store, clock):
    """Its automation has a problem that says how to fix it. After the deletion the announcement brings it into force."""
    announce(store)
    create(store)
    row = ScheduleRow("acme", "acme", b'{"every":60000}', clock.now() + MINUTE)
    store.announce("acme", schedules=(row,), fingerprint="code-2")
    (view,) = automations(store.reader, "acme")
    assert "mainspring schedules delete acme" in view.problem
    facts = FactsReader(store.reader).read(clock.now())
    findings = [
        evaluation.finding
        for evaluation in definition_lost.evaluate(facts, definition_lost.MONITOR.tuning, clock.now())
    ]
    assert [finding.subject.automation for finding in findings if finding is not None] == ["acme"]
    assert find(store).automation == "report"
    unloaded = AutomationRow("acme", "task", 1, "code-2", None)
    store.do(AnnounceDefinitions("code-2", (unloaded,), ()))
    (view,) = automations(store.reader, "acme")
    assert "mainspring schedules delete acme" in view.problem, "a worker that lacks the file must not hide it"
    delete(store)
    store.announce("acme", schedules=(row,), fingerprint="code-2")
    (view,) = automations(store.reader, "acme")
    (schedule,) = schedules(store.reader, "acme")
    assert (view.problem, schedule.options, schedule.retired_at) == (None, None, None)
    assert find(store) is None


def test_pause_holds_slots_and_misfire_decides_afterwards(store, clock):
    """Each slot of the pause is a run, or a row that says who paused and why."""
    announce(store)
    create(store, misfire="last")
    pause(store, reason="audit")
    clock.forward(5 * MINUTE + 1_000)
    assert (plan(store), next_slot_at(store.reader)) == ([], None)
    assert read_open_pause(store.reader, find(store)).reason == "audit"
    assert pause(store, reason="longer").version == 3
    resume(store)
    assert resume(store) == Refused("not_paused", "schedule 'acme' is not paused")
    serve(store)
    rows = list(slots(store).values())
    assert [row.verdict for row in rows] == ["missed"] * 4 + ["run"]
    assert rows[1].note == "paused by cli:ann@box: longer"


def test_retirement_ends_created_schedules_and_resume_brings_them_back(store, clock):
    """But not deleted ones."""
    announce(store)
    create(store)
    create(store, "gone")
    delete(store, "gone")
    store.do(RetireAutomation("report"))
    clock.forward(2 * MINUTE)
    assert plan(store) == []
    assert refused_code(change(store, every="2m")) == "retired"
    assert store.do(ResumeAutomation("report")) == DONE
    assert {command.schedule for command in plan(store)} == {"acme"}
    assert find(store, "gone") is None


def test_paused_automation_starts_no_created_schedule(store, clock):
    """As its declared ones."""
    announce(store)
    create(store)
    store.do(PauseAutomation("report", None, "me", "why"))
    clock.forward(MINUTE)
    assert plan(store) == []


def test_overlap_is_about_runs_of_the_same_schedule(store, clock):
    """One automation may have a schedule for each customer; its own option replaces that of the automation."""
    announce(store, overlap="allow")
    create(store, overlap="skip")
    create(store, "best")
    clock.forward(MINUTE)
    assert len(serve(store)) == 2
    clock.forward(MINUTE)
    serve(store)
    assert [row.verdict for row in slots(store).values()] == ["run", "skipped"]
    assert [row.verdict for row in slots(store, "best").values()] == ["run", "run"]


def test_missed_slot_of_a_created_schedule_is_found(store, clock):
    """By the monitors of declared ones, without configuration; pausing or deleting it ends the finding."""
    announce(store)
    create(store, every="10m", jitter="2m")

    def findings():
        facts = FactsReader(store.reader).read(clock.now())
        return {
            evaluation.subject.kind.value
            for monitor in (late_start, silence)
            for evaluation in monitor.evaluate(facts, monitor.MONITOR.tuning, clock.now())
            if evaluation.finding is not None
        }

    assert findings() == set()
    clock.forward(40 * MINUTE)
    assert findings() == {"late_start", "silence"}
    pause(store)
    assert findings() == set()
    clock.forward(40 * MINUTE)
    resume(store)
    assert findings() == set()
    clock.forward(40 * MINUTE)
    assert findings() == {"late_start", "silence"}
    delete(store)
    assert findings() == set()


def test_late_start_respects_the_jitter_of_the_schedule(store, clock):
    """A run that jitter delays is not late."""
    announce(store)
    create(store, every="2h", jitter="119m")
    clock.at = find(store).next_slot_at
    serve(store)
    facts = FactsReader(store.reader).read(clock.now())
    (evaluation,) = late_start.evaluate(facts, late_start.MONITOR.tuning, clock.now())
    assert evaluation.figures["jitter_ms"] > 0


def test_wrapped_command_does_not_replace_a_created_schedule(store, clock):
    """It is refused the name, which its caller reads."""
    announce(store)
    create(store)
    row = AutomationRow("acme", "exec", 1, "f", b"{}")
    command = DescribeExecAutomation(row, (ScheduleRow("acme", "acme", b'{"every":60000}', clock.now() + MINUTE),))
    assert store.do(command) == Refused("taken", "a person or program created a schedule with the name 'acme'")
    assert find(store).automation == "report"


def test_backfill_makes_slots_before_the_creation(store, clock):
    """On purpose, each once, with the options and the item of the schedule; also while it is paused."""
    announce(store, overlap="allow")
    create(store, overlap="queue", tags={"customer": "acme"})
    pause(store)
    reads, now, act = OperationReads(store.reader), clock.now(), operation_context(Actor.cli("ann", "box"), clock)
    past = list_past_slots(reads, "report", now - MINUTE, now, now)  # one: these processes are for one thread
    assert [(slot.schedule, slot.needs_run) for slot in past] == [("acme", True)]
    assert backfill(store, reads, clock, "report", past, act=act).made == 1
    rows = store.reader.read_text("select healthy, item, partition from runs", ())
    assert rows == [("item", "acme", "schedule:acme")]
    assert len(slots(store)) == 1


def test_change_that_did_not_read_the_calendar_is_refused(store, clock):
    """Two changes at once: the second one has the dates of another calendar than the options name by then."""
    announce(store)
    create(store, cron=["0 3 * * *"])
    banks = Calendar(name="banks")
    store.do(ChangeSchedule("acme", {"calendar": "banks"}, banks, None, "UTC"))
    done = store.do(ChangeSchedule("acme", {"overlap": "skip"}, None, None, "UTC"))
    assert isinstance(done, ScheduleChanged), done
    refused = store.do(ChangeSchedule("acme", {"calendar": "other"}, None, None, "UTC"))
    assert refused_code(refused) == "version_conflict"
    schedule = Schedule.from_data(json.loads(find(store).spec))
    assert (schedule.calendar.name, find(store).options["calendar"]) == ("banks", "banks")


def test_change_to_a_time_that_never_comes_is_refused(store, clock):
    """Also while a slot is due."""
    announce(store)
    create(store)
    pause(store)
    clock.forward(5 * MINUTE)
    refused = change(store, **read_schedule_options({"at": "2001-01-01T00:00"}, "acme"))
    assert refused_code(refused) == "wrong_schedule"
    assert "never comes" in refused.text


def test_schedule_of_a_retired_automation_is_found_and_can_be_deleted(store, clock):
    """It is listed, so that each operation must know it."""
    announce(store)
    create(store)
    store.do(RetireAutomation("report"))
    assert find_automation_of_schedule(store.reader, "acme") == "report"
    delete(store)
    assert find_automation_of_schedule(store.reader, "acme") is None


def test_slot_that_is_refused_cancels_no_run(store, clock):
    """`overlap="replace"`: the run is cancelled in the commit of the slot that replaces it, and in no other one."""
    announce(store)
    create(store, overlap="replace")
    clock.forward(MINUTE)
    serve(store)
    run = store.claim_one()
    clock.forward(MINUTE)
    planned = plan(store)
    delete(store)
    assert [refused_code(store.do(command)) for command in planned] == ["stale_plan"]
    assert store.history(run.id).facts == []
    create(store, overlap="replace")
    clock.forward(2 * MINUTE)
    serve(store)
    assert [fact.kind for fact in store.history(run.id).facts] == ["cancel"]
