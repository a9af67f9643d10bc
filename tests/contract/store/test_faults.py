"""Each way in which a run can end badly leaves one row for anyone who tells of failures; no other end leaves any."""

import msgspec

from mainspring.alerting.inputs.failure_groups import failure_fingerprint, group_failures
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.commands.runs import CancelRun, ParentLink, ReopenRun
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from mainspring.store.read.incidents import last_failures, ungrouped_failures
from tests.contract.store.process import BOOM, audited, complete, fail, finish, halt

FAILED, HALTED = RunState.FAILED, RunState.NEEDS_ATTENTION
_BY_OTHER_PROCESSES = {FailureReason.CRASHES_WORKER, FailureReason.PROCESS_LOST, FailureReason.DISCARDED}
ENDS = sorted(set(FailureReason) - _BY_OTHER_PROCESSES)
"""What a worker says of its own run."""


def faults(store):
    return [(failure.run, failure.state, failure.reason) for failure in store.read("ungrouped_failures")]


def record(state=FAILED, *, id="w1", reason=FailureReason.PERMANENT_ERROR, **options):
    is_failed = state is FAILED
    return RecordExecRun(
        id=id, automation="a", kind="exec", version=1, title=None, trigger="exec", codec="json", input=b"[]", state=state,
        started_at=1, finished_at=2, failure=BOOM if is_failed else None, reason=reason if is_failed else None, **options,
    )  # fmt: skip


def test_failure_is_one_row(store):
    """By whatever reason, deadline among them, and however often its commit is sent."""
    expected = []
    for reason in ENDS:
        run = store.begin()
        store.twice(fail(run, "s1", reason))
        expected.append((run.id, FAILED, reason))
    assert faults(store) == expected


def test_halt_is_one_row(store):
    """What needs a person, too; once he let it continue and it stops again, that is another one."""
    expected = []
    for reason in ENDS:
        run = store.begin()
        store.twice(halt(run, "s1", reason))
        store.do(audited(ReopenRun(run.id)))
        store.do(halt(store.claim_one(), "s1", reason))
        expected += [(run.id, HALTED, reason)] * 2
    assert faults(store) == expected


def test_run_that_takes_workers_down_is_one_row(store, new_process):
    """The two deaths before it is set apart are none."""
    run = store.start().run
    for number in (1, 2, 3):
        process = new_process().open()
        process.announce("a", "b")
        assert process.claim(probation=True).runs or process.claim().runs
        store.do(DeclareSessionDead(process.session, crashed=True, probation_run=run))
        expected = [(run, HALTED, FailureReason.CRASHES_WORKER)] if number == 3 else []
        assert faults(store) == expected


def test_wrapped_command_that_is_lost_is_one_row(store, new_process):
    """Its process died; what it told afterwards about the same end adds none."""
    process = new_process().open("exec")
    process.announce("a")
    run = process.begin()
    store.do(DeclareSessionDead(process.session))
    assert faults(store) == [(run.id, FAILED, FailureReason.PROCESS_LOST)]
    store.do(record(id=run.id, session=process.session, claim=run.claim))
    assert [fault[0] for fault in faults(store)] == [run.id]


def test_recorded_failure_is_one_row(store):
    """A wrapped command that is reported after its end, twice from the spool, is one failure; with its step and its words."""
    store.do(record())
    store.do(record())
    assert faults(store) == [("w1", FAILED, FailureReason.PERMANENT_ERROR)]
    assert store.read("ungrouped_failures")[0].failure == BOOM


def test_parent_reports_its_child(store):
    """A child that failed is its parent's to tell; one that needs a person tells it itself."""
    parent = store.begin()
    for ident, end in (("c1", fail), ("c2", halt)):
        store.do(store.starting("b", parent=ParentLink(parent.id, ident, parent.claim), input=ident.encode()))
        (child,) = store.claim().runs
        store.do(end(child))
    assert faults(store) == [(child.id, HALTED, FailureReason.IN_DOUBT)]


def test_other_ends_leave_none(store, second):
    """Success, cancel before and after the claim, a worker that dies or closes, what exec records well."""
    store.do(finish(store.begin()))
    store.do(complete(store.begin()))
    running = store.begin()
    store.do(audited(CancelRun("c1", running.id)), finish(running, RunState.CANCELLED))
    store.do(audited(CancelRun("c2", store.start().run)))
    store.do(finish(store.claim_one(), RunState.CANCELLED))
    store.do(record(RunState.SUCCEEDED))
    store.do(record(RunState.CANCELLED, id="w2"))
    store.begin()
    second.do(DeclareSessionDead(store.session))
    second.claim()
    second.do(CloseSession())
    assert second.reader.read_text("select count(*) from failures") == [(0,)]


def test_failed_commit_leaves_no_row(store, second):
    """A worker that was declared dead meanwhile may neither fail its run nor tell of it."""
    run = store.begin()
    second.do(DeclareSessionDead(store.session))
    (again,) = second.claim().runs
    second.do(msgspec.structs.replace(fail(run, "s1"), claim=run.claim))
    assert faults(second) == []
    second.do(finish(again))
    assert faults(second) == []


def test_last_failure_of_each_run_is_found(store):
    """Of one that failed twice the second one, grouped or not; one that never failed has none."""
    twice, once, none = store.begin(), store.begin(), store.begin()
    store.do(halt(twice, "s1", FailureReason.IN_DOUBT))
    store.do(audited(ReopenRun(twice.id)))
    store.do(fail(store.claim_one(), "s1"), halt(once, "s1", FailureReason.DRIFT))
    found = {failure.run: failure for failure in last_failures(store.reader, [twice.id, once.id, none.id, "r_none"])}
    assert {run: (failure.state, failure.fingerprint) for run, failure in found.items()} == {
        twice.id: (FAILED, None),
        once.id: (HALTED, None),
    }
    groups = group_failures(ungrouped_failures(store.reader), lambda text: text).groups
    store.do(RecordEvaluation(started_at=store.clock.now(), groups=groups))
    (message,) = last_failures(store.reader, [twice.id])
    assert message.fingerprint == failure_fingerprint(found[twice.id]).id
    assert last_failures(store.reader, []) == []
