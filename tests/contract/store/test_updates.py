"""Updates of runs, on every database: each is stored once, and has one reply."""

import msgspec
import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import OutcomeState, RunState, UpdateState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.inbox import ReturnFact
from mainspring.store.commands.results import Refused, UpdateStored
from mainspring.store.commands.runs import CancelRun, MarkRunDone, ReopenRun
from mainspring.store.commands.updates import RejectUpdate, RequestUpdate, StartWithUpdate, UpdateRequest
from mainspring.store.read.runs.run_views import run_history, update_view
from tests.contract.store.process import fail, finish, outcome, signal, suspend

NO = Failure("mainspring.Permanent", "permanent", "no")


def request(run: str, id: str = "u1", value: bytes = b"1", name: str = "add") -> RequestUpdate:
    return RequestUpdate(run, UpdateRequest(name, id, value, f"{name} {value!r}"))


def accept(run, rank, seq, number=1, **options):
    """Save the acceptance of the update at this place of the inbox."""
    return outcome(
        run, rank, f"update:add#{number}", name="add", kind=OutcomeKind.UPDATE, inbox=seq, request_number=0, **options
    )


def reply(run, rank, number=1, **options):
    """Save the end of a handler."""
    ident = f"update:add#{number}/reply"
    return outcome(run, rank, ident, name="add", kind=OutcomeKind.REPLY, **{"output": b"10", **options})


def begin(store):
    return store.begin(kind="workflow")


def seqs(store, run):
    """Return the places of the updates in the inbox of a run."""
    return [fact.seq for fact in run_history(store.reader, run).facts if fact.kind is FactKind.UPDATE]


def code_of(answer):
    return answer.code if isinstance(answer, Refused) else answer


def test_update_wakes_its_run_and_counts_once(store):
    """The same request again is the same update; under its id there is no other one."""
    run = begin(store)
    store.do(suspend(run))
    first = store.do(request(run.id))
    assert first.created
    assert store.run(run.id).ready
    assert store.do(request(run.id)) == msgspec.structs.replace(first, created=False)
    for other in (request(run.id, value=b"2"), request(run.id, name="remove")):
        assert code_of(store.do(other)) == "update_conflict"
    again = store.claim_one()
    assert [(fact.kind, fact.name, fact.payload, fact.source) for fact in again.facts] == [
        (FactKind.UPDATE, "add", b"1", first.id)
    ]
    assert update_view(store.reader, first.id).state is UpdateState.RECEIVED


def test_reply_is_the_commit_of_the_end_of_its_handler(store, clock):
    """Before it there is none, and it names the instant; a second reply changes nothing."""
    run = begin(store)
    stored = store.do(request(run.id))
    store.twice(accept(run, 1, *seqs(store, run.id)))
    view = update_view(store.reader, stored.id)
    assert (view.state, view.ident, view.replied_at, seqs(store, run.id)) == (
        UpdateState.ACCEPTED,
        "update:add#1",
        None,
        [],
    )
    clock.forward(1_000)
    store.twice(reply(run, 2))
    view = update_view(store.reader, stored.id)
    assert (view.state, view.result, view.failure, view.replied_at) == (UpdateState.DONE, b"10", None, clock.now())


def test_failure_of_a_handler_is_its_reply(store):
    """It is stored as it was sent."""
    run = begin(store)
    stored = store.do(request(run.id))
    store.do(accept(run, 1, *seqs(store, run.id)))
    store.do(reply(run, 2, state=OutcomeState.FAILED, output=None, failure=NO))
    view = update_view(store.reader, stored.id)
    assert (view.state, view.result, view.failure) == (UpdateState.FAILED, None, NO)


def test_rejection_leaves_nothing_in_inbox_and_journal(store, second):
    """Only the owner rejects."""
    run = begin(store)
    stored = store.do(request(run.id))
    (seq,) = seqs(store, run.id)
    assert code_of(second.do(RejectUpdate(run.id, run.claim, seq, NO))) == "claim_lost"
    store.twice(RejectUpdate(run.id, run.claim, seq, NO))
    view = update_view(store.reader, stored.id)
    assert (view.state, view.failure) == (UpdateState.REJECTED, NO)
    history = run_history(store.reader, run.id)
    assert (history.facts, history.outcomes) == ([], [])


@pytest.mark.parametrize("number", [1, 3])
def test_end_of_a_run_replies_to_what_is_open(store, number):
    """Also if several runs end in one group; a reply that was given stays."""
    runs = [begin(store) for _ in range(number)]
    done, accepted, received = [], [], []
    for run in runs:
        done.append(store.do(request(run.id, "done")).id)
        store.do(accept(run, 1, *seqs(store, run.id)), reply(run, 2))
        accepted.append(store.do(request(run.id, "accepted")).id)
        store.do(accept(run, 3, *seqs(store, run.id), 2))
        received.append(store.do(request(run.id, "received")).id)
    store.do(*(finish(run, rank=3) for run in runs))
    for update in done:
        assert update_view(store.reader, update).state is UpdateState.DONE
    for update in (*accepted, *received):
        view = update_view(store.reader, update)
        assert (view.state, view.failure.code) == (UpdateState.FAILED, "run_ended")
    assert [seqs(store, run.id) for run in runs] == [[]] * number
    assert code_of(store.do(request(runs[0].id, "late"))) == "finished"
    assert store.do(request(runs[0].id, "done")) == UpdateStored(done[0], runs[0].id, created=False)


@pytest.mark.parametrize("end", [lambda run: CancelRun(run, "c"), lambda run: MarkRunDone(run, b"1")])
def test_run_that_a_person_ends_replies_too(store, end):
    """It never had a worker."""
    run = store.start(kind="workflow").run
    stored = store.do(request(run))
    store.do(end(run))
    assert update_view(store.reader, stored.id).failure.code == "run_ended"


def test_restart_takes_along_what_was_not_accepted(store):
    """The id counts in the whole chain, and the first run leads to the update of its successor."""
    run = begin(store)
    done = store.do(request(run.id, "done"))
    store.do(accept(run, 1, *seqs(store, run.id)), reply(run, 2))
    waiting = store.do(request(run.id, "waiting"))
    successor = store.starting(kind="workflow")
    store.do(finish(run, rank=2, then=successor))
    view = update_view(store.reader, waiting.id)
    assert (view.run, view.state) == (successor.id, UpdateState.RECEIVED)
    assert store.do(request(run.id, "waiting")) == UpdateStored(waiting.id, successor.id, created=False)
    assert store.do(request(run.id, "done")) == UpdateStored(done.id, run.id, created=False)
    claimed = store.claim_one()
    assert [fact.source for fact in claimed.facts] == [waiting.id]
    store.do(accept(claimed, 1, claimed.facts[0].seq), reply(claimed, 2))
    assert update_view(store.reader, waiting.id).state is UpdateState.DONE


def test_update_that_came_too_late_for_its_run_returns_to_its_place(store):
    """It was accepted, and the body had restarted by then."""
    run = begin(store)
    stored = store.do(request(run.id))
    store.do(signal(run.id))
    (seq,) = seqs(store, run.id)
    store.do(accept(run, 1, seq))
    store.twice(ReturnFact(run.id, run.claim, 1, "add", b"1", 5, seq, kind=FactKind.UPDATE))
    facts = run_history(store.reader, run.id).facts
    assert (facts[0].kind, facts[0].seq, facts[0].source) == (FactKind.UPDATE, seq, stored.id)
    assert update_view(store.reader, stored.id).state is UpdateState.RECEIVED
    assert run_history(store.reader, run.id).outcomes[0].state is OutcomeState.CANCELLED


def test_retry_from_a_step_returns_what_was_accepted_after_it(store):
    """In the order of arrival, before what came since; given replies stay and are marked."""
    run = begin(store)
    early, replied, waiting = (store.do(request(run.id, id)).id for id in ("early", "replied", "waiting"))
    first, second_seq, third = seqs(store, run.id)
    store.do(accept(run, 1, first, 1), reply(run, 2, 1, request_number=1))
    store.do(outcome(run, 3, "step", request_number=2))
    store.do(msgspec.structs.replace(accept(run, 4, second_seq, 2), request_number=2))
    store.do(reply(run, 5, 2, request_number=3))
    store.do(msgspec.structs.replace(accept(run, 6, third, 3), request_number=3))
    store.do(outcome(run, 7, "last", request_number=4, state=OutcomeState.FAILED, failure=NO, output=None))
    store.do(fail(run, "last", rank=7))
    assert update_view(store.reader, waiting).failure.code == "run_ended"
    store.do(ReopenRun(run.id, from_ident="step"))
    facts = run_history(store.reader, run.id).facts
    assert [(fact.seq, fact.source) for fact in facts] == [(second_seq, replied), (third, waiting)]
    states = [
        (update_view(store.reader, id).state, update_view(store.reader, id).superseded)
        for id in (early, replied, waiting)
    ]
    assert states == [(UpdateState.DONE, None), (UpdateState.DONE, 1), (UpdateState.FAILED, 1)]
    claimed = store.claim_one()
    store.do(accept(claimed, 8, second_seq, 4), reply(claimed, 9, 4, output=b"99"))
    assert update_view(store.reader, replied).result == b"10"


def test_start_with_update_is_both_or_nothing(store):
    """The run of the key gets it; a run that has ended is an error and no new start."""
    start = store.starting(kind="workflow")
    update = UpdateRequest("add", "u1", b"1", "h")
    stored = store.do(StartWithUpdate(start, update))
    assert (stored.run, stored.created, stored.created_run) == (start.id, True, True)
    again = store.do(StartWithUpdate(start, update))
    assert (again.id, again.created, again.created_run) == (stored.id, False, False)
    store.do(CancelRun(start.id, "c"))
    refused = store.do(StartWithUpdate(start, UpdateRequest("add", "u2", b"1", "h")))
    assert code_of(refused) == "finished"
    task = store.starting(kind="task")
    assert code_of(store.do(StartWithUpdate(task, update))) == "no_workflow"
    assert store.reader.read("find_run_state", (task.id,)) == []


def test_update_of_no_run_and_of_a_task_is_refused(store):
    """The reason is named."""
    assert code_of(store.do(request("r_none"))) == "not_found"
    run = store.begin()
    assert code_of(store.do(request(run.id))) == "no_workflow"


def test_updates_end_with_their_run(store, clock):
    """Retention leaves nothing of them."""
    run = begin(store)
    store.do(request(run.id))
    store.do(finish(run))
    clock.forward(10_000)
    store.do(ApplyRetention(clock.now(), clock.now(), clock.now(), None, None))
    assert store.reader.read_text("select count(*) from run_updates", ()) == [(0,)]


def test_updates_of_a_chain_stay_as_long_as_one_of_its_runs(store, clock):
    """A repeated request finds its reply although the run that gave it was deleted."""
    run = begin(store)
    done = store.do(request(run.id, "done"))
    store.do(accept(run, 1, *seqs(store, run.id)), reply(run, 2))
    store.do(finish(run, rank=2, then=store.starting(kind="workflow")))
    successor = store.claim_one()
    clock.forward(10_000)
    assert store.do(ApplyRetention(clock.now(), None, None, None, None)).number == 1
    assert store.do(request(successor.id, "done")) == UpdateStored(done.id, run.id, created=False)
    assert update_view(store.reader, done.id).result == b"10"
    assert store.reader.read("check_run_updates") == []
    store.do(finish(successor))
    clock.forward(10_000)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert store.reader.read_text("select count(*) from run_updates", ()) == [(0,)]


def test_integrity_check_accepts_open_and_ended_updates(store):
    """It would find one of a run that does not exist, and one that ended without a reply."""
    run = begin(store)
    store.do(request(run.id), request(run.id, "u2"))
    store.do(accept(run, 1, seqs(store, run.id)[0]), reply(run, 2))
    assert store.state(run.id) is RunState.RUNNING
    assert store.reader.read("check_run_updates") == []
