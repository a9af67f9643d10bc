"""The guard of rollouts on a store: which runs count, which move follows, and the same result wherever a process dies."""

import itertools
import random
import re
from contextlib import suppress

import msgspec
import pytest

from mainspring.alerting.inputs.rollout_facts import list_watched_rollouts
from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.rollout import InFlightPolicy, hash_rollout_key
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import FailureReason, RolloutMove, RolloutState, RunState
from mainspring.insight.rollouts.rollout_view import make_rollout_view
from mainspring.insight.rollouts.version_changes import add_version_changes
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    ApplyRetention,
    AuditedCommand,
    AutomationRow,
    SetMeta,
)
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.commands.runs import CancelRun, ParentLink, RunKey
from mainspring.store.commands.sessions import DrainSession
from mainspring.store.read import rollouts
from mainspring.store.read.bulk_operations import list_bulk_operations
from mainspring.store.read.runs.run_views import run_history
from mainspring.store.restore_hold import HOLD_KEY
from tests.contract.store.clock import START_AT, FakeClock
from tests.contract.store.process import finish, halt, outcome

AGE_MS, HOLD_MS = 1_000, 3_600_000
HALF, ALL = 500_000, 1_000_000
WIDE_MARGIN = 400_000
"""With it, few runs are enough for "not worse"."""
_BOOM = Failure("ValueError", "boom", "it broke")
_NUMBERS = itertools.count()
GOOD, BAD = RunState.SUCCEEDED, RunState.FAILED


def announce(process, *names, versions=(1, 2)):
    rows = [AutomationRow(name, "task", n, f"f{n}", b"{}", is_candidate=n == 2) for name in names for n in versions]
    process.do(AnnounceDefinitions("code", tuple(rows), ()))


def start_rollout(process, name="a", **options):
    values = {"steps": (HALF, ALL), "hold_ms": HOLD_MS, "in_flight": InFlightPolicy.FINISH, "age_ms": AGE_MS}
    process.do(StartRollout(automation=name, new_version=2, **({"margin": WIDE_MARGIN} | values | options)))


def find_last(process, name="a"):
    return rollouts.find_last_rollout(process.reader, name)


def make_key(process, version, name="a"):
    """Return the hash of a new key whose side is this version."""
    last = find_last(process, name)
    keys = (hash_rollout_key(name, f"k{next(_NUMBERS)}") for _ in itertools.count())
    return next(key for key in keys if last.choose_version(key) == version)


def end(run, state):
    if state is RunState.FAILED:
        return finish(run, state, failure=_BOOM, reason=FailureReason.PERMANENT_ERROR)
    return halt(run) if state is RunState.NEEDS_ATTENTION else finish(run, state)


def play(process, *sides, name="a"):
    """Start one run for each (version, state), and end it at once; state None = it does not end. Return their ids."""
    starts = [process.starting(name, rollout_key=make_key(process, version, name)) for version, _ in sides]
    process.do(*starts)
    claimed = {run.id: run for run in process.claim(1_000).runs}
    pairs = [(claimed[start.id], state) for start, (_, state) in zip(starts, sides, strict=True)]
    ends = [end(run, state) for run, state in pairs if state is not None]
    if ends:
        process.do(*ends)
    return [start.id for start in starts]


def guard(process):
    RolloutGuard(process).run_once()


def count(process, name="a"):
    """Return the numbers of runs by (step, version, outcome)."""
    found = rollouts.count_rollout_runs(process.reader, find_last(process, name).id)
    return {(row.step, row.version, row.outcome): row.number for row in found}


def read_next(process, name="a"):
    """Return what comes next, as the status says it."""
    return make_rollout_view(process.reader, find_last(process, name), process.clock.now(), "UTC").next


def moves_of(process):
    """Return the moves on record as (actor, verb), the oldest first."""
    rows = process.read("audit_rows")
    return [(row.actor, row.verb) for row in reversed(rows) if row.verb.startswith("rollout")]


class InterruptedStore:
    """A store that does something before one of its operations: `before` raises where the process is killed there."""

    def __init__(self, process, before, number=1):
        self._process = process
        self._before = before
        self._left = number

    def __getattr__(self, name):
        return getattr(self._process, name)

    def apply(self, command):
        if isinstance(command, AuditedCommand):
            self._left -= 1
            if not self._left:
                self._before()
        return self._process.apply(command)


def die():
    raise KeyboardInterrupt


@pytest.fixture
def store(new_process):
    """A worker with both versions of a, and a rollout of it."""
    process = new_process().open()
    announce(process, "a")
    start_rollout(process)
    return process


@pytest.fixture
def second(store, new_process):
    """A second process with the same code."""
    process = new_process().open()
    announce(process, "a")
    return process


def test_guard_counts_each_run_at_its_age(store, clock):
    """Not before; a halted run counts as failed, and one that was cancelled or deleted does not count."""
    states = [GOOD, BAD, RunState.NEEDS_ATTENTION, RunState.CANCELLED, None]
    play(store, *((2, state) for state in states))
    play(store, (2, GOOD))
    clock.forward(AGE_MS - 1)
    guard(store)
    assert count(store) == {(0, 2, None): 6}
    clock.forward(1)
    guard(store)
    assert count(store) == {
        (0, 2, "succeeded"): 2,
        (0, 2, "failed"): 2,
        (0, 2, "not_counted"): 1,
        (0, 2, "not_ended"): 1,
    }


COST = WatchedMeasurement("cost")


def play_with_cost(process, number, new_cost):
    """Start one run of each version, both succeed, and each has measured its cost in two steps and in a child."""
    for version, cost in ((1, 10.0 + number % 3), (2, new_cost)):
        run = process.begin(rollout_key=make_key(process, version))
        child = process.begin(parent=ParentLink(run.id, "load#1", run.claim), input=b"[1]")
        process.do(outcome(run, 1, "a", numbers=f'{{"cost":{cost / 2},"rows":1}}'))
        process.do(outcome(run, 2, "b", numbers=f'{{"cost":{cost / 4}}}'))
        process.do(outcome(child, 1, "c", numbers=f'{{"cost":{cost / 4}}}'))
        process.do(finish(child, GOOD), finish(run, GOOD))


@pytest.mark.parametrize(("watched", "is_worse"), [((COST,), True), ((), False)])
def test_version_that_measures_worse_is_rolled_back_if_its_number_is_watched(new_process, clock, watched, is_worse):
    """A number of the steps and children of a run; no one named it: nothing happens. The reason has the name and the rates."""
    process = new_process().open()
    announce(process, "a")
    start_rollout(process, watched=watched, margin=1_000)
    for number in range(35):
        play_with_cost(process, number, 20.0)
    clock.forward(AGE_MS)
    guard(process)
    rollout = find_last(process)
    assert (rollout.state is RolloutState.ROLLED_BACK) == is_worse
    assert rollout.watched == watched
    if is_worse:
        expected = r"version 2 is worse: more of its runs have cost above (the old median|95 % of the old runs): version 2 \d+ of "
        assert re.match(expected, rollout.reason)
        (facts,) = list_watched_rollouts(process.reader)
        assert len(facts.bad_runs) == 3
        assert {process.run(run).version for run in facts.bad_runs} == {2}
    view = make_rollout_view(process.reader, rollout, clock.now(), "UTC")
    assert ("cost above the old median" in {metric.label for metric in view.metrics}) == is_worse


def test_numbers_of_a_run_are_deleted_with_it(store, clock):
    """No row of a step is left."""
    run = store.begin()
    store.do(outcome(run, 1, "a", numbers='{"cost":1}'))
    store.do(finish(run, GOOD))
    assert run_history(store.reader, run.id).numbers == {"cost": 1.0}
    clock.forward(1)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert store.reader.read_text("select count(*) from measurements") == [(0,)]


def test_deleted_run_does_not_count(store, clock):
    """It may be deleted before it is counted, and no one knows any more how it ended."""
    play(store, (2, GOOD))
    clock.forward(AGE_MS)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    guard(store)
    assert count(store) == {(0, 2, "not_counted"): 1}


def test_deleted_run_leaves_no_row_of_an_ended_rollout(store, clock):
    """While the rollout lasts, its rows say which keys count already."""
    play(store, (2, GOOD))
    clock.forward(AGE_MS)
    guard(store)
    store.do(ApplyRetention(START_AT + 1, None, None, None, None))
    assert count(store) == {(0, 2, "succeeded"): 1}
    play(store, (2, GOOD))
    store.do(MoveRollout(automation="a", move=RolloutMove.ABORT))
    store.do(ApplyRetention(clock.now() + 1, None, None, None, None))
    assert count(store) == {(0, 2, "succeeded"): 1}


def test_run_that_was_cancelled_before_its_start_does_not_count(store):
    """It says nothing about its version, and the guard reads it once."""
    run = store.start(rollout_key=make_key(store, 2)).run
    store.do(CancelRun(run, "stop"))
    guard(store)
    assert count(store) == {(0, 2, "not_counted"): 1}


@pytest.mark.parametrize("state", [GOOD, BAD, RunState.NEEDS_ATTENTION, RunState.CANCELLED])
def test_run_that_ends_after_its_age_counts_as_not_ended(store, clock, state):
    """However it ends, and also if the guard reads it only then."""
    run = store.begin(rollout_key=make_key(store, 2))
    clock.forward(AGE_MS + 1)
    store.do(end(run, state))
    guard(store)
    assert count(store) == {(0, 2, "not_ended"): 1}


def test_late_read_counts_as_one_in_time(store, clock, new_database):
    """The guard may be down for a day: the outcomes and their order are those of the age."""
    early = store
    late = new_database()(clock).open()
    announce(late, "a")
    start_rollout(late)
    sides = [(1, GOOD), (2, BAD), (2, RunState.NEEDS_ATTENTION), (2, GOOD)]
    for process in (early, late):
        play(process, *sides)
        left = process.begin(rollout_key=make_key(process, 2))
        process.left = left
    clock.forward(AGE_MS)
    guard(early)
    clock.forward(HOLD_MS * 24)
    for process in (early, late):
        process.do(end(process.left, BAD))
    guard(late)
    assert count(early) == count(late)
    late.close()


def test_key_counts_once_in_each_step(store, clock):
    """The first run of the key counts; in the next step it counts again."""
    key = make_key(store, 2)
    for state in (BAD, GOOD, GOOD):
        store.do(end(store.begin(rollout_key=key), state))
        clock.forward(1)
    clock.forward(AGE_MS)
    guard(store)
    assert count(store) == {(0, 2, "failed"): 1, (0, 2, "not_counted"): 2}
    store.do(MoveRollout(automation="a", move=RolloutMove.ADVANCE))
    store.do(end(store.begin(rollout_key=key), GOOD))
    clock.forward(AGE_MS)
    guard(store)
    assert count(store)[1, 2, "succeeded"] == 1


def test_each_run_counts_where_runs_are_assigned_by_themselves(store, clock):
    """With rollout_by="run" the key is the id of the run, whatever its run key."""
    for _ in range(3):
        name = store.name()
        store.do(end(store.begin(id=name, run_key=RunKey(name, "h"), rollout_key=hash_rollout_key("a", name)), GOOD))
    clock.forward(AGE_MS)
    guard(store)
    assert sum(count(store).values()) == 3
    assert {outcome for _, _, outcome in count(store)} == {"succeeded"}


def test_worse_version_is_rolled_back_with_its_reason(store, clock):
    """The audit log has the guard and the numbers; each new run has the old version."""
    play(store, *[(1, GOOD), (2, BAD)] * 8)
    clock.forward(AGE_MS)
    guard(store)
    last = find_last(store)
    assert last.state is RolloutState.ROLLED_BACK
    assert last.reason.startswith(
        "version 2 is worse: its runs fail more often: version 2 7 of 7 (100 %), version 1 0 of"
    )
    (row,) = (row for row in store.read("audit_rows") if row.verb.startswith("rollout"))
    assert (row.actor, row.verb, row.reason) == ("guard:rollouts", "rollout roll back", last.reason)
    assert store.run(store.start(rollout_key="0" * 32).run).version == 1
    guard(store)
    assert len(moves_of(store)) == 1


def test_version_that_hangs_is_rolled_back(store, clock):
    """Runs that have not ended at their age are evidence, although none of them fails."""
    play(store, *[(1, GOOD), (2, None)] * 12)
    clock.forward(AGE_MS)
    guard(store)
    assert find_last(store).reason.startswith(
        "version 2 is worse: more of its runs have not ended 1s after their start"
    )


def test_slower_version_is_rolled_back(store, clock):
    """Durations are compared over many rounds. Each continues from the committed evidence."""
    for _ in range(12):
        runs = [store.begin(rollout_key=make_key(store, 1 + n % 2)) for n in range(10)]
        clock.forward(20)
        store.do(*(end(run, GOOD) for run in runs if run.version == 1))
        clock.forward(500)
        store.do(*(end(run, GOOD) for run in runs if run.version == 2))
        clock.forward(AGE_MS)
        guard(store)
    assert find_last(store).reason.startswith("version 2 is worse: its runs take longer than ")


def test_version_that_is_not_worse_advances_after_the_hold(store, clock):
    """Not before; then all keys have it, and it takes force after the hold of that step."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS - 1)
    guard(store)
    assert (find_last(store).step, moves_of(store)) == (0, [])
    clock.forward(1)
    guard(store)
    guard(store)
    assert (find_last(store).share, find_last(store).step_at) == (ALL, clock.now())
    clock.forward(HOLD_MS - 1)
    guard(store)
    assert find_last(store).is_active
    clock.forward(1)
    guard(store)
    assert find_last(store).state is RolloutState.FINISHED
    assert rollouts.read_version_in_force(store.reader, "a") == 2
    assert moves_of(store) == [("guard:rollouts", "rollout advance"), ("guard:rollouts", "rollout finish")]


def test_rollout_waits_for_a_worker_with_its_version(store, clock, caplog, new_process):
    """More runs of a version that no worker has would wait; one that drains takes none. A later round continues."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    store.do(DrainSession(store.session))
    evaluation = RolloutGuard(store)
    evaluation.run_once()
    evaluation.run_once()
    assert find_last(store).step == 0
    refusals = [text for text in caplog.messages if "no running worker has version 2" in text]
    assert len(refusals) == 1
    assert moves_of(store) == []
    announce(new_process().open(), "a")
    evaluation.run_once()
    assert find_last(store).step == 1


def test_move_that_was_refused_once_is_made_later(store, clock, new_process):
    """The last worker ended after the guard had looked. A command has one answer for ever, so the next try is another one."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    interrupted = InterruptedStore(store, lambda: store.do(DrainSession(store.session)))
    guard(interrupted)
    assert find_last(store).step == 0
    clock.forward(60_000)
    announce(new_process().open(), "a")
    guard(store)
    assert find_last(store).step == 1


def test_rollout_of_a_held_store_stays(store, clock):
    """It is that of a backup, and a person may have aborted it since: nothing moves before the release."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    store.do(SetMeta(HOLD_KEY, "1"))
    guard(store)
    assert find_last(store).step == 0
    store.do(SetMeta(HOLD_KEY, None))
    guard(store)
    assert find_last(store).step == 1


@pytest.mark.parametrize("steps", [(HALF, ALL), (ALL,)])
def test_version_that_no_worker_has_gets_no_greater_share(store, clock, steps):
    """The code of a deployment may lack it: then more runs would only wait, and it never takes force by itself."""
    store.do(MoveRollout(automation="a", move=RolloutMove.ABORT))
    start_rollout(store, steps=steps, again=True)
    play(store, *[(2, GOOD)] if steps == (ALL,) else [(1, GOOD), (2, GOOD)] * 20)
    announce(store, "a", versions=(1,))
    clock.forward(HOLD_MS)
    guard(store)
    assert (find_last(store).step, find_last(store).state) == (0, RolloutState.RUNNING)
    assert read_next(store) == "Nothing while no running worker has version 2: mainspring up"
    announce(store, "a")
    guard(store)
    assert moves_of(store)[-1][1] == ("rollout finish" if steps == (ALL,) else "rollout advance")


def test_finished_rollout_reports_when_its_old_version_can_be_deleted(store):
    """Its unfinished runs need its code; without a worker that has it, they wait."""
    store.start(rollout_key=make_key(store, 1))
    (run,) = store.claim().runs
    store.do(MoveRollout(automation="a", move=RolloutMove.FINISH))
    assert read_next(store) == "Keep version 1 in the code: it has 1 unfinished run."
    announce(store, "a", versions=(2,))
    assert read_next(store) == "1 unfinished run of version 1 needs a worker with its code: mainspring up"
    store.do(finish(run, GOOD))
    assert read_next(store) == "Nothing."
    announce(store, "a")
    assert read_next(store) == (
        "Version 1 has no unfinished run: delete it from the code, and declare version 2 without rollout=True."
    )


def test_rollout_without_enough_evidence_stays(store, clock):
    """No run, or few runs: time alone brings no version further."""
    clock.forward(HOLD_MS * 100)
    guard(store)
    play(store, (1, GOOD), (2, GOOD))
    clock.forward(HOLD_MS * 100)
    guard(store)
    assert (find_last(store).step, find_last(store).state, moves_of(store)) == (0, RolloutState.RUNNING, [])


def test_step_begins_with_new_evidence(store, clock):
    """The runs of the step before say nothing about the next share. What decided then stays on record, also after a restart."""
    store.do(MoveRollout(automation="a", move=RolloutMove.ABORT))
    start_rollout(store, steps=(HALF, 750_000, ALL), again=True)
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    guard(store)
    advanced_at = clock.now()
    clock.forward(HOLD_MS)
    guard(store)
    assert find_last(store).step == 1
    assert rollouts.read_guard_state(store.reader, 2).place == 0
    (past,) = rollouts.list_past_steps(store.reader, 2)
    failed = past.evidence.decision.results[0]
    assert (past.step, past.ended_at, past.evidence.place) == (0, advanced_at, 40)
    assert (past.evidence.decision.verdict, failed.metric) == (GuardVerdict.NOT_WORSE, "failed")
    assert failed.not_worse_e_value >= failed.not_worse_limit
    assert rollouts.list_past_steps(store.reader, 1) == []


def test_paused_rollout_is_rolled_back_and_never_advanced(store, clock):
    """A pause protects from the next step, and the guard protects from the version."""
    store.do(MoveRollout(automation="a", move=RolloutMove.PAUSE))
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS * 2)
    guard(store)
    assert (find_last(store).step, find_last(store).state) == (0, RolloutState.PAUSED)
    play(store, *[(2, BAD)] * 30)
    clock.forward(AGE_MS)
    guard(store)
    assert find_last(store).state is RolloutState.ROLLED_BACK


def make_worse_rollout(store, clock):
    """Make a rollout that stops its runs, and the runs that roll it back. Return runs of both versions that have not ended."""
    store.do(MoveRollout(automation="a", move=RolloutMove.ABORT))
    start_rollout(store, in_flight=InFlightPolicy.STOP, again=True)
    play(store, *[(1, GOOD), (2, BAD)] * 8)
    clock.forward(AGE_MS)
    return [store.start(rollout_key=make_key(store, version)).run for version in (1, 2)]


def stop_runs(store):
    while run_next_piece(store):
        pass


def test_rollback_stops_the_runs_of_the_new_version(store, clock):
    """A bulk operation of the guard cancels them, with the reason of the rollback; the others continue."""
    old, new = make_worse_rollout(store, clock)
    guard(store)
    (bulk,) = list_bulk_operations(store.reader)
    assert (bulk.actor, bulk.reason) == ("guard:rollouts", find_last(store).reason)
    stop_runs(store)
    assert (store.state(old), store.state(new)) == (RunState.QUEUED, RunState.CANCELLED)


def test_rollback_stops_the_runs_in_its_own_commit(store, second, clock):
    """A guard that is killed before its second operation leaves no work behind."""
    _, new = make_worse_rollout(store, clock)
    with suppress(KeyboardInterrupt):
        RolloutGuard(InterruptedStore(store, die, 2)).run_once()
    guard(second)
    stop_runs(second)
    assert find_last(store).state is RolloutState.ROLLED_BACK
    assert store.state(new) is RunState.CANCELLED
    assert len(list_bulk_operations(store.reader)) == 1


@pytest.mark.parametrize("state", [BAD, None])
def test_rollback_names_the_first_bad_runs_and_what_was_changed(store, clock, state):
    """Those that failed, or those that did not end: whatever the metric counts as bad."""
    runs = play(store, *[(1, GOOD), (2, state)] * 16)
    clock.forward(AGE_MS)
    guard(store)
    (watched,) = list_watched_rollouts(store.reader)
    assert watched.bad_runs == tuple(runs[1:6:2])
    rows = []
    for version in (1, 2):
        options = {"queue": f"q{version}"}
        made = Definition(
            kind=DefinitionKind.TASK, name="a", version=version, file="/srv/a.py", line=version, options=options
        )
        data = msgspec.json.encode(made.to_data())
        rows.append(AutomationRow("a", "task", version, f"f{version}", data, is_candidate=version == 2))
    store.do(AnnounceDefinitions("more", tuple(rows), ()))
    finding = Finding(
        subject=Subject("a", IncidentKind.ROLLOUT_ROLLED_BACK),
        severity=Severity.NOTIFY,
        text="rolled back",
        since_at=1,
        facts={"old_version": 1, "new_version": 2},
    )
    (explained,) = add_version_changes([finding], store.reader, redact=str)
    assert explained.text == "rolled back. Changed from version 1 to 2: queue: q1 -> q2; its code: /srv/a.py:2"


def test_two_guards_make_one_move(store, second, clock):
    """The second one has moved the rollout when the first one comes to it."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    RolloutGuard(InterruptedStore(store, lambda: guard(second))).run_once()
    assert (find_last(store).step, moves_of(store)) == (1, [("guard:rollouts", "rollout advance")])


def test_guard_gives_way_to_a_person(store, second, clock):
    """Someone paused, or aborted, after the guard has read the rollout."""
    play(store, *[(1, GOOD), (2, GOOD)] * 20)
    clock.forward(HOLD_MS)
    pause = MoveRollout(automation="a", move=RolloutMove.PAUSE)
    RolloutGuard(InterruptedStore(store, lambda: second.do(pause))).run_once()
    assert (find_last(store).step, find_last(store).state) == (0, RolloutState.PAUSED)


def test_rollout_that_cannot_be_evaluated_stops_no_other(store, clock):
    """The others are moved first, and then the error is raised."""
    announce(store, "a", "b")
    start_rollout(store, "b")
    store.tamper("update rollouts set evidence = 'x' where automation = 'b'")
    play(store, *[(1, GOOD), (2, BAD)] * 8)
    clock.forward(AGE_MS)
    with pytest.raises(Exception, match="JSON"):
        guard(store)
    assert find_last(store).state is RolloutState.ROLLED_BACK
    assert find_last(store, "b").is_active


def test_reads_of_rollouts_are_the_same_on_each_database(store, clock):
    """By automation and of all, and what the age and the status are made of."""
    announce(store, "a", "b")
    start_rollout(store, "b", in_flight=InFlightPolicy.MOVE)
    play(store, (1, GOOD), (2, None), (1, BAD))
    store.do(MoveRollout(automation="b", move=RolloutMove.ABORT))
    reader = store.reader
    assert [row.automation for row in rollouts.list_rollouts(reader)] == ["b", "a"]
    assert [row.automation for row in rollouts.list_rollouts(reader, active=True)] == ["a"]
    assert [row.automation for row in rollouts.list_rollouts(reader, "b", limit=1)] == ["b"]
    assert rollouts.list_last_durations(reader, "a", 1, 10) == [0]
    assert rollouts.count_unfinished_runs(reader, "a", 2) == 1
    assert [row.automation for row in rollouts.list_rollouts_to_undo(reader)] == ["b"]


def draw_sides(rng):
    """Return runs of a rollout whose new version fails at first, and then never again: the last evidence says the contrary of the first."""
    sides = [(version, BAD if version == 2 and rng.random() < 0.9 else GOOD) for version in (1, 2) for _ in range(15)]
    rng.shuffle(sides)
    return sides + [(1 + n % 2, BAD if n % 2 == 0 else GOOD) for n in range(60)]


@pytest.mark.parametrize("seed", range(3))
def test_verdict_is_the_same_wherever_a_guard_dies(new_database, seed):
    """A new guard after each run decides as one that reads all of them at once: at the first run that makes the version worse."""
    reasons = []
    for is_each_run in (True, False):
        clock = FakeClock()
        store = new_database()(clock).open()
        announce(store, "a")
        start_rollout(store)
        for side in draw_sides(random.Random(seed)):
            play(store, side)
            clock.forward(1)
        for at in range(90) if is_each_run else [90]:
            clock.at = START_AT + AGE_MS + at
            guard(store)
        reasons.append((find_last(store).state, find_last(store).reason))
        store.close()
    assert reasons[0] == reasons[1]
    assert reasons[0][0] is RolloutState.ROLLED_BACK


def test_worse_version_is_rolled_back_also_if_the_guard_dies_before(store, second, clock):
    """The verdict is on record: good runs that count afterwards do not save the version."""
    play(store, *[(1, GOOD), (2, BAD)] * 8)
    clock.forward(AGE_MS)
    with pytest.raises(KeyboardInterrupt):
        RolloutGuard(InterruptedStore(store, die)).run_once()
    play(store, *[(1, BAD), (2, GOOD)] * 60)
    clock.forward(AGE_MS)
    guard(second)
    assert find_last(store).state is RolloutState.ROLLED_BACK
    assert "version 2 7 of 7" in find_last(store).reason
