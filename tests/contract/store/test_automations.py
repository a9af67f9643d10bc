"""Definitions, schedules, slots and locks as data."""

import msgspec
import pytest

from mainspring.store.base import UnfinishedRun
from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    AutomationRow,
    BreakLock,
    MakeSlot,
    PauseAutomation,
    ReleaseLock,
    ResumeAutomation,
    RetireAutomation,
    ScheduleRow,
    SetQueue,
)
from mainspring.store.commands.results import DONE, LockGranted, NumberAnswer, Refused
from mainspring.store.commands.runs import RunKey, SlotLink
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead, WakeWorkers
from tests.contract.store.deliveries import accepting, announced, hook
from tests.contract.store.process import event, finish, outcome

SPEC = b'{"cron":"0 * * * *"}'


def schedule(name="a", automation="a", spec=SPEC, at=1_000):
    return ScheduleRow(name, automation, spec, at)


def slot(store, at, **options):
    start = store.starting(id=f"slot-{at}", slot=SlotLink("a", at))
    return MakeSlot("a", at, at + 1_000, "run", options.pop("start", start), **options)


def test_deployments_are_numbered_when_first_announced(store, second):
    """New code gets the next number, known code its old one."""
    assert store.announce("a", "b") == NumberAnswer(1)
    assert second.announce("a", "b", fingerprint="code-2") == NumberAnswer(2)
    assert store.announce("a", "b") == NumberAnswer(1)


def test_older_code_does_not_overwrite_newer(store, second):
    """While newer code lives, what an older worker says of an automation does not replace it."""
    second.announce("a", "b", version=2, fingerprint="code-2")
    store.announce("a", "b")
    assert [row.version for row in store.read("automations")] == [2, 2]


def test_a_module_that_fails_keeps_the_last_definition(store):
    """A problem is visible, the last good definition stays, and the session does not claim for it."""
    run = store.start().run
    store.do(
        AnnounceDefinitions(
            "code-2",
            (
                AutomationRow("a", "task", 1, "f", None, problem="ImportError: x"),
                AutomationRow("new", "task", 1, "f", None, problem="p"),
            ),
            (),
        )
    )
    rows = {row.name: row for row in store.read("automations")}
    assert (rows["a"].definition, rows["a"].problem, rows["new"].problem) == (b"{}", "ImportError: x", "p")
    assert store.ids() == []
    store.announce("a")
    assert store.ids() == [run]
    assert store.read("automations", "a")[0].problem is None


def test_resolved_problem_is_cleared_without_an_owner(store):
    """What was announced last stays as it was, its schedule too; who clears a problem cannot run what it is of."""
    store.announce("a", schedules=(schedule(),))
    store.start()
    store.do(AnnounceDefinitions("code-2", (AutomationRow("a", "task", 1, "f", None, problem="ImportError: x"),), ()))
    store.do(AnnounceDefinitions("code-3", (AutomationRow("a", "task", 1, "f", None),), ()))
    row = store.read("automations", "a")[0]
    assert (row.definition, row.problem) == (b"{}", None)
    assert store.ids() == []
    assert store.read("due_schedules", 2**50) != []


def test_problem_of_older_code_is_not_reported_while_newer_code_lives(store, second):
    """What it cannot load the newer one runs; once that is gone it is a problem."""
    problem = AutomationRow("a", "task", 1, "f", None, problem="ImportError: x")
    store.announce("a")
    second.announce("a", version=2, fingerprint="code-2")
    store.do(AnnounceDefinitions("code-1", (problem,), ()))
    assert store.read("automations", "a")[0].problem is None
    second.do(CloseSession())
    store.do(AnnounceDefinitions("code-1", (problem,), ()))
    assert store.read("automations", "a")[0].problem == "ImportError: x"


def test_renaming_carries_everything_along(store, clock):
    """was= takes runs, keys, schedules, slots and figures to the new name, once."""
    store.announce("a", schedules=(schedule(), schedule("a#2")))
    done = store.begin(run_key=RunKey("k", "h"))
    store.do(outcome(done, 1), finish(done), slot(store, 1_000))
    store.announce("c", schedules=(schedule("c", "c"), schedule("c#2", "c")), was="a", fingerprint="code-2")
    assert {row.automation for row in store.list_runs().runs} == {"c"}
    assert store.start("c", run_key=RunKey("k", "h")).run == done.id
    assert [(row.name, row.last_slot_at) for row in store.read("schedules")] == [("c", 1_000), ("c#2", None)]
    assert [row.slot_at for row in store.read("slots", "c")] == [1_000]
    (sums,) = store.read("sums_since", 0)
    assert (sums.automation, sums.succeeded, sums.steps) == ("c", 1, 1)
    assert "a" not in {row.name for row in store.read("automations")}
    assert store.claim_one().schedule == "c"
    store.announce("c", schedules=(schedule("c", "c"), schedule("c#2", "c")), was="a", fingerprint="code-2")
    assert [row.last_slot_at for row in store.read("schedules")] == [1_000, None]


def test_unchanged_schedule_keeps_its_place(store, clock):
    """Announcing again moves nothing; a changed spec restarts above the present, a missing one ends."""
    store.announce("a", schedules=(schedule(),))
    store.do(slot(store, 1_000))
    store.announce("a", schedules=(schedule(at=77),))
    (row,) = store.read("schedules")
    assert (row.last_slot_at, row.next_slot_at, row.low_water_at) == (1_000, 2_000, clock.now())
    clock.forward(5)
    store.announce("a", schedules=(schedule(spec=b"{}", at=77),))
    (row,) = store.read("schedules")
    assert (row.next_slot_at, row.low_water_at) == (77, clock.now())
    store.announce("a")
    assert store.read("due_schedules", 2**50) == []


def test_slot_is_served_with_its_run_in_one_commit(store):
    """A slot, its run and the next due time are one; asked again after a lost answer it says the same."""
    store.announce("a", schedules=(schedule(),))
    command = slot(store, 1_000)
    assert store.read("next_slot_at") == 1_000
    answer = store.twice(command)
    assert (answer.created, answer.run) == (True, "slot-1000")
    assert store.do(command).code == "taken"
    assert store.read("next_slot_at") == 2_000
    run = store.claim_one()
    assert (run.schedule, run.slot_at) == ("a", 1_000)


def test_refused_start_leaves_its_slot_open(store):
    """A slot whose run is refused is not served: it is tried again."""
    store.announce("a", schedules=(schedule(),))
    store.do(SetQueue("default", max_backlog=0))
    assert store.do(slot(store, 1_000)).code == "busy"
    assert (store.read("slots", "a"), store.read("next_slot_at")) == ([], 1_000)


def test_skipped_slot_and_backfill(store):
    """A slot may be served without a run; an old one served later does not turn the schedule back."""
    store.announce("a", schedules=(schedule(at=5_000),))
    assert store.twice(MakeSlot("a", 5_000, 6_000, "skipped", note="overlap")) == DONE
    store.do(slot(store, 2_000))
    (row,) = store.read("schedules")
    assert (row.last_slot_at, row.next_slot_at) == (5_000, 6_000)
    assert [(s.slot_at, s.verdict) for s in store.read("slots", "a")] == [(5_000, "skipped"), (2_000, "run")]


def test_peer_prefect_6_n_slots_are_n_runs(store, second, clock):
    """Two schedulers with skewed clocks, each trying every slot twice, make one run a slot."""
    for process in (store, second):
        process.announce("a", schedules=(schedule(),))
    for n in range(1, 11):
        for process in (store, second, second, store):
            clock.at += 1 if process is store else -1
            process.do(slot(process, n * 1_000))
    assert len(store.list_runs(limit=100).runs) == 10
    assert store.read("next_slot_at") == 11_000


def test_retired_automation_ends_its_schedules(store):
    """Retiring is meant: announcing again does not bring it back, resuming does."""
    store.announce("a", schedules=(schedule(),))
    assert store.do(RetireAutomation("none")).code == "not_found"
    store.do(RetireAutomation("a"))
    store.announce("a", schedules=(schedule(),))
    assert (store.read("next_slot_at"), store.start().code) == (None, "retired")
    store.do(ResumeAutomation("a"))
    assert (store.read("next_slot_at"), store.start().created) == (1_000, True)


def test_pause_is_refused_where_it_does_not_fit(store):
    """Pausing the unknown and resuming what runs are reported."""
    assert store.do(PauseAutomation("none", None, "ann", None)).code == "not_found"
    assert store.do(ResumeAutomation("none")).code == "not_found"
    assert store.do(ResumeAutomation("a")).code == "not_paused"


def test_lock_is_held_by_one(store, second):
    """A lock has one owner, who gets the same token again; tokens grow for ever."""
    assert store.twice(AcquireLock("l", "x")) == LockGranted(1)
    assert store.do(AcquireLock("l", "x")) == LockGranted(1)
    refused = second.do(AcquireLock("l", "x"))
    assert refused.code == "held"
    assert store.twice(ReleaseLock("l", 1)) == DONE
    assert second.do(AcquireLock("l", "y")) == LockGranted(2)
    assert store.do(ReleaseLock("l", 1)).code == "not_held"
    assert [lock.owner for lock in store.read("locks")] == ["y"]


@pytest.mark.parametrize("way", ["break", "bury"])
def test_peer_restate_23_no_lock_is_held_for_ever(store, second, way):
    """A lock is free when its session died or when it is broken; the old token is then of no use."""
    store.do(AcquireLock("l", "x"))
    second.do(BreakLock("l") if way == "break" else DeclareSessionDead(store.session))
    assert second.do(AcquireLock("l", "y")) == LockGranted(2)
    assert second.do(ReleaseLock("l", 1)).code == "not_held"
    assert second.do(BreakLock("nobody")).code == "not_found"


def test_peer_restate_23_waiting_run_names_the_holder_of_its_key(store):
    """A partition key held by a suspended run is named, and goes when that run ends."""
    from mainspring.store.commands.runs import MarkRunDone
    from tests.contract.store.process import suspend

    holder = store.begin(partition="p")
    store.do(suspend(holder))
    blocked = store.start(partition="p").run
    assert store.read("blocker", blocked).holder == holder.id
    store.do(MarkRunDone(holder.id))
    assert store.ids() == [blocked]


def test_changes_are_reported(store):
    """A commit says whether something became claimable, a fact was written or a trigger has input, so that only its readers look."""

    def changed(*commands):
        changes = store.database.commit(list(commands)).changes
        return changes.ready, changes.facts, changes.triggers

    assert changed(AcquireLock("l", "x")) == (False, False, False)
    assert changed(store.starting()) == (True, False, False)
    store.claim()
    assert changed(event()) == (False, False, False)
    store.do(announced(hook()))
    assert changed(accepting(store, "filtered", filtered=True)) == (False, False, True)
    assert changed(accepting(store, "started"))[0]
    assert changed(WakeWorkers()) == (True, False, False)


def test_paused_automation_serves_no_slot(store, clock):
    """The slots of a paused automation are not due; one that is paused until an instant is looked at again then."""
    store.announce("a", schedules=(schedule(),))
    assert [(row.name, row.slot_at) for row in store.engine_reads.due_schedules(clock.now())] == [("a", 1_000)]
    store.do(PauseAutomation("a", None, "ann", None))
    assert (store.engine_reads.due_schedules(clock.now()), store.engine_reads.next_slot_at()) == ([], None)
    store.do(PauseAutomation("a", clock.now() + 5, "ann", None))
    assert (store.engine_reads.due_schedules(clock.now()), store.engine_reads.next_slot_at()) == ([], clock.now() + 5)
    clock.forward(5)
    assert len(store.engine_reads.due_schedules(clock.now())) == 1


def test_due_schedule_reports_all_that_its_run_needs(store, clock):
    """Definition and input go with it; announcing an unchanged one brings the input of today, and one of an older version has none."""
    store.announce("a", schedules=(schedule(),), definition=b'{"x":1}')
    (due,) = store.engine_reads.due_schedules(clock.now())
    assert (due.definition, due.input) == (b'{"x":1}', None)
    given = msgspec.structs.replace(schedule(at=77), input=b'{"n":1}')
    store.announce("a", schedules=(given,), definition=b'{"x":2}')
    (due,) = store.engine_reads.due_schedules(clock.now())
    assert (due.slot_at, due.definition, due.input) == (1_000, b'{"x":2}', b'{"n":1}')


def test_unfinished_runs_of_an_automation(store):
    """Overlap policies see what is unfinished, oldest first."""
    done, first, second = store.begin(), store.start().run, store.start().run
    store.do(finish(done))
    assert store.engine_reads.unfinished("a") == [UnfinishedRun(first, False), UnfinishedRun(second, False)]


def test_slot_of_the_future_is_refused(store, clock):
    """A scheduler whose clock is wrong would let all later slots wait for one that is not due."""
    store.announce("a", schedules=(ScheduleRow("a", "a", b"{}", 5_000),))
    answer = store.do(MakeSlot("a", clock.now() + 7_200_000, clock.now() + 7_201_000, "run", store.starting()))
    assert isinstance(answer, Refused)
    assert answer.code == "too_early"
    assert store.reader.read_text("select count(*) from slots") == [(0,)]
