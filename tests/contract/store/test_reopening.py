"""What people do with runs that stopped."""

import base64

import msgspec
import pytest

from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import DiscardRun, GiveResult, MarkRunDone, ParentLink, ReopenRun, RunKey
from tests.contract.store.process import BOOM, audited, fail, finish, halt, outcome, suspend


def history(store, run):
    return {o.ident: (o.state, o.superseded) for o in store.read("run_history", run).outcomes}


def counted(store, run):
    return [o.ident for o in store.history(run).outcomes]


def test_reopen_continues_where_it_failed(store):
    """The failing outcome and what was abandoned or waited for because of it no longer count; what had an effect stays."""
    run = store.begin()
    store.do(
        outcome(run, 1, "a", request_number=1),
        outcome(run, 2, "bad", request_number=3, state=OutcomeState.FAILED, output=None, failure=BOOM),
        outcome(run, 3, "slow", request_number=2),
        outcome(run, 4, "beside", request_number=4, state=OutcomeState.CANCELLED),
        outcome(run, 5, "timer#1", request_number=5, requested_after=2, kind=OutcomeKind.TIMER),
        outcome(run, 6, "mail", request_number=6, requested_after=5),
        fail(run, "bad"),
    )
    store.twice(audited(ReopenRun(run.id)))
    again = store.claim_one()
    assert counted(store, run.id) == ["a", "slow", "mail"]
    assert (again.claim, again.generation, again.fresh) == (2, 0, False)
    assert [o.ident for o in store.history(run.id).superseded] == ["bad", "beside", "timer#1"]
    view = store.run(run.id)
    assert (view.reason, view.failure, view.finished_at) == (None, None, None)


def test_reopen_continues_from_every_failure_that_led_to_the_end(store):
    """The engine names them all; another failure, from which the code continued, still counts."""
    run = store.begin()
    failed = {"state": OutcomeState.FAILED, "output": None, "failure": BOOM}
    store.do(
        outcome(run, 1, "mended", **failed),
        outcome(run, 2, "one", **failed),
        outcome(run, 3, "good"),
        outcome(run, 4, "mended too", **failed),
        outcome(run, 5, "two", **failed),
        fail(run, "one", detail=b'{"failing": ["one", "two"]}'),
        ReopenRun(run.id),
    )
    assert counted(store, run.id) == ["mended", "good", "mended too"]


def test_reopen_keeps_what_other_branches_waited_for(store):
    """A failure makes no timer of another branch run again, but those of its own line."""
    run = store.begin()
    timers = ["timer#1", "a#1/timer#1", "a#1/b#1/timer#1", "a#2/timer#1"]
    rows = [outcome(run, 2 + n, t, requested_after=1, kind=OutcomeKind.TIMER) for n, t in enumerate(timers)]
    store.do(
        outcome(run, 1, "a#1/bad[x/y#1/]", state=OutcomeState.FAILED, output=None, failure=BOOM),
        *rows,
        fail(run, "a#1/bad[x/y#1/]"),
        ReopenRun(run.id),
    )
    assert counted(store, run.id) == ["a#2/timer#1"]


@pytest.mark.parametrize("act", ["plain", "again", "from"])
def test_reopen_leaves_a_doubt_about_what_was_abandoned(store, act):
    """The attempt that was stopped half-way stays on record until a person speaks about that step, or goes back before it."""
    run = store.begin()
    stopped = SaveAttempt(run.id, run.claim, "x", "x", 0, 1, AttemptState.IN_DOUBT, 2, 5, "a", ended_at=6)
    store.do(
        outcome(run, 1, "bad", state=OutcomeState.FAILED, output=None, failure=BOOM),
        stopped,
        outcome(run, 2, "x", state=OutcomeState.CANCELLED, output=None, marked=True),
        fail(run, "bad"),
        ReopenRun(run.id, "bad" if act == "from" else None),
    )
    again = store.claim_one()
    assert [a.state for a in store.history(run.id).attempts] == ([] if act == "from" else [AttemptState.IN_DOUBT])
    if act == "again":
        doubt = outcome(again, 3, "x", state=OutcomeState.IN_DOUBT, output=None, marked=True)
        store.do(doubt, halt(again, "x"), GiveResult(run.id, "x", "word", again=True))
        assert store.history(run.id).attempts == []


def test_reopen_of_a_bodys_own_error_keeps_all(store):
    """When the body itself raised, every outcome still counts."""
    run = store.begin()
    store.do(outcome(run, 1), fail(run))
    store.do(ReopenRun(run.id))
    assert counted(store, run.id) == ["s1"]


def test_reopen_from_a_step_opens_a_generation(store):
    """Continuing from a chosen step is a new generation: outcomes from there on are kept, listed and not counted."""
    run = store.begin()
    store.do(*[outcome(run, n) for n in (1, 2, 3)], fail(run))
    assert store.do(ReopenRun(run.id, "nothing")).code == "no_such_step"
    store.do(ReopenRun(run.id, "s2"))
    again = store.claim_one()
    assert (again.generation, counted(store, run.id)) == (1, ["s1"])
    assert history(store, run.id)["s3"] == (OutcomeState.SUCCEEDED, 1)
    store.do(outcome(again, 4, "s2"), fail(again), ReopenRun(run.id, "s2"))
    assert store.claim_one().generation == 2
    assert [(o.rank, o.superseded) for o in store.history(run.id).superseded] == [(2, 1), (3, 1), (4, 2)]


def test_reopen_gives_attempts_back(store):
    """Failed attempts of a continued step are kept on record and no longer count."""
    run = store.begin()
    tried = SaveAttempt(run.id, run.claim, "s1", "s1", 0, 1, AttemptState.FAILED, 1, 5, "a", failure=BOOM)
    store.do(tried, outcome(run, 1, state=OutcomeState.FAILED, failure=BOOM, attempt=2, marked=True), fail(run, "s1"))
    store.do(ReopenRun(run.id))
    assert store.history(run.id).attempts == []
    assert [a.attempt for a in store.read("run_history", run.id).attempts] == [1]


def test_reopen_forgets_a_deadline_that_passed(store, clock):
    """A person who continues a run after its deadline, or after a cancel, means it."""
    run = store.begin(deadline_after_ms=10)
    clock.forward(10)
    store.do(
        outcome(run, 1),
        outcome(run, 2, "deadline", kind=OutcomeKind.DEADLINE, request_number=0),
        outcome(run, 3, "cleanup", request_number=2),
        fail(run, "deadline", FailureReason.DEADLINE),
        ReopenRun(run.id),
    )
    assert counted(store, run.id) == ["s1", "cleanup"]
    assert store.claim_one().deadline_at is None


def test_reopen_forgets_a_cancel_that_was_accepted(store):
    """Whichever step a cancelled-and-failed run is continued from, the cancel does not strike it again."""
    run = store.begin()
    cancel = outcome(run, 2, "cancel", kind=OutcomeKind.CANCEL, request_number=0)
    store.do(outcome(run, 1), cancel, outcome(run, 3, request_number=2), fail(run), ReopenRun(run.id, "s3"))
    assert counted(store, run.id) == ["s1"]


def test_reopen_is_refused_where_it_does_not_fit(store):
    """Only failed and halted runs are continued, and not when their key went to a newer run."""
    assert store.do(ReopenRun("r_none")).code == "not_found"
    key = RunKey("k", "h", policy="restart")
    run = store.begin(run_key=key)
    assert store.do(ReopenRun(run.id)).code == "wrong_state"
    store.do(fail(run))
    newer = store.start(run_key=key)
    assert newer.created
    assert store.do(ReopenRun(run.id)).code == "wrong_state"


def test_reopen_waits_for_its_partition(store):
    """A continued run takes its key again, or waits for its turn."""
    run = store.begin(partition="p")
    store.do(fail(run))
    holder = store.begin(partition="p")
    store.do(ReopenRun(run.id))
    assert store.ids() == []
    store.do(finish(holder))
    assert store.ids() == [run.id]


def test_reopen_can_be_planned(store, clock):
    """A continuation may have a due time."""
    run = store.begin()
    store.do(fail(run), ReopenRun(run.id, due_at=clock.now() + 10))
    assert store.ids() == []
    clock.forward(10)
    assert store.ids() == [run.id]


def test_run_continues_from_what_started_and_has_no_outcome(store):
    """A step with a start mark alone, or a child that has not ended, and all that was asked for after it; not an undo."""
    store.announce("a", "b")
    run = store.begin()
    mark = SaveAttempt(run.id, run.claim, "x", "x", 0, 1, AttemptState.IN_DOUBT, 2, 5, "a")
    undo = SaveAttempt(run.id, run.claim, "undo:x", "x", 0, 1, AttemptState.IN_DOUBT, 4, 5, "a")
    store.do(outcome(run, 1), mark, undo, outcome(run, 2, "later", request_number=3), halt(run, "x"))
    refused = store.do(ReopenRun(run.id, from_ident="undo:x")), store.do(ReopenRun(run.id, from_ident="y"))
    assert [answer.code for answer in refused] == ["no_such_step"] * 2
    store.do(ReopenRun(run.id, from_ident="x"))
    again = store.claim_one()
    assert (again.generation, counted(store, run.id), store.history(run.id).attempts) == (1, ["s1"], [])
    link = ParentLink(run.id, "child:b#1", again.claim, request_number=2)
    child = store.start("b", parent=link).run
    store.do(halt(again, "child:b#1", FailureReason.DRIFT), ReopenRun(run.id, from_ident="child:b#1"))
    assert (store.run(run.id).generation, store.history(run.id).children) == (2, [])
    assert store.state(child) is RunState.CANCELLED


def test_accepted_drift_replaces_the_input(store):
    """Accepting a drift keeps the outcome and takes the new input for the saved one."""
    run = store.begin()
    detail = msgspec.json.encode({"drift": {"s1": base64.b64encode(b"[9]").decode()}})
    store.do(outcome(run, 1), outcome(run, 2), halt(run, "s1", FailureReason.DRIFT, detail=detail))
    assert store.do(ReopenRun(run.id, accept=("s2",))).code == "no_such_step"
    store.do(ReopenRun(run.id, accept=("s1",)))
    assert [(o.ident, o.input) for o in store.history(run.id).outcomes] == [("s1", b"[9]"), ("s2", b"[]")]


@pytest.mark.parametrize("state", [OutcomeState.REFUSED, OutcomeState.IN_DOUBT, OutcomeState.FAILED])
def test_given_result_takes_the_place(store, state):
    """A person's result is a fact for the request; whatever else succeeded still counts."""
    run = store.begin()
    store.do(outcome(run, 1, "x", state=state), outcome(run, 2, "other"), halt(run, "x"))
    command = GiveResult(run.id, "x", "cmd", b"5")
    store.twice(command)
    (woken,) = store.claim().runs
    (fact,) = woken.facts
    assert (fact.kind, fact.ident, fact.payload) == (FactKind.RESULT, "x", b"5")
    assert counted(store, run.id) == ["other"]
    store.do(outcome(woken, 3, "x", inbox=fact.seq))
    assert store.history(run.id).facts == []


def test_in_doubt_step_can_run_again(store):
    """Saying "again" gives no result: the step is open once more, under the same generation."""
    run = store.begin()
    store.do(outcome(run, 1, "x", state=OutcomeState.IN_DOUBT), halt(run, "x"))
    store.do(GiveResult(run.id, "x", "cmd", again=True))
    woken = store.claim_one()
    assert (woken.facts, woken.generation, counted(store, run.id)) == ((), 0, [])


def test_result_for_an_attempt_in_doubt(store):
    """A step that has only a start mark can be given its result too."""
    run = store.begin()
    mark = SaveAttempt(run.id, run.claim, "x", "x", 0, 1, AttemptState.IN_DOUBT, 1, 5, "a")
    store.do(mark, halt(run, "x"), GiveResult(run.id, "x", "cmd", b"5"))
    assert [fact.ident for fact in store.claim_one().facts] == ["x"]
    assert store.history(run.id).attempts == []


def test_attempt_in_doubt_to_repeat_is_known_after_a_takeover(store):
    """It is open no more, and may have had its effect: a step of another name is not to run instead."""
    run = store.begin()
    mark = SaveAttempt(run.id, run.claim, "x", "x", 0, 1, AttemptState.IN_DOUBT, 1, 5, "a")
    store.do(mark, halt(run, "x"), GiveResult(run.id, "x", "cmd", again=True))
    history = store.history(run.id)
    assert (history.attempts, [attempt.ident for attempt in history.ordered]) == ([], ["x"])


def test_result_is_refused_without_a_waiting_step(store):
    """A succeeded step, an unknown one and a running run take no result."""
    run = store.begin()
    store.do(outcome(run, 1))
    assert store.do(GiveResult(run.id, "s1", "c")).code == "wrong_state"
    store.do(halt(run))
    assert store.do(GiveResult(run.id, "s1", "c")).code == "no_such_step"
    assert store.do(GiveResult(run.id, "zz", "c")).code == "no_such_step"
    assert store.state(run.id) == RunState.NEEDS_ATTENTION


@pytest.mark.parametrize("prepare", ["fresh", "waiting", "halted"])
def test_mark_done_ends_a_run_like_a_success(store, prepare):
    """Marking done gives the result to the parent, frees the key and closes the run."""
    parent = store.begin()
    link = ParentLink(parent.id, "c", parent.claim)
    run = store.start(partition="p", run_key=RunKey("k", "h"), parent=link, input=b"{}").run
    if prepare != "fresh":
        claimed = store.claim_one()
        store.do(suspend(claimed) if prepare == "waiting" else halt(claimed))
    blocked = store.start(partition="p").run
    store.twice(audited(MarkRunDone(run, b"5")))
    assert store.state(run) == RunState.SUCCEEDED
    assert [fact.payload for fact in store.history(parent.id).facts] == [b"5"]
    assert store.ids() == [blocked]
    assert store.start(run_key=RunKey("k", "h")).state == "succeeded"


def test_discard_abandons_a_halted_run_only(store):
    """Discarding fails a run that needs attention, with that reason; its first failure stays readable."""
    run = store.begin()
    assert store.do(DiscardRun(run.id)).code == "wrong_state"
    store.do(halt(run))
    assert store.do(DiscardRun(run.id)) == DONE
    view = store.run(run.id)
    assert (view.state, view.reason, view.failure.code) == (RunState.FAILED, FailureReason.DISCARDED, "boom")
    assert store.do(MarkRunDone("r_none")).code == "not_found"
    assert store.do(MarkRunDone(run.id)).code == "wrong_state"


RENAMED = msgspec.json.encode({"renamed": {"ident": "charge#1", "old": "charge", "new": "charge_card"}})


def stopped_by_a_rename(store):
    run = store.begin()
    stop = halt(run, "charge#1", FailureReason.DRIFT, rank=1, detail=RENAMED)
    store.do(outcome(run, 1, "charge#1", request_number=1), stop)
    return run


def test_renamed_step_is_mapped_and_its_run_continues(store):
    """Nothing is superseded; the history tells the new name, and a repeated act changes nothing."""
    run = stopped_by_a_rename(store)
    store.twice(audited(ReopenRun(run.id, rename=("charge", "charge_card"))))
    store.claim_one()
    assert store.history(run.id).renames == {"charge": "charge_card"}
    assert counted(store, run.id) == ["charge#1"]


def test_renamed_step_is_accepted_as_gone(store):
    """The history tells that a person decided on the name."""
    run = stopped_by_a_rename(store)
    store.twice(audited(ReopenRun(run.id, accept=("charge#1",))))
    store.claim_one()
    assert store.history(run.id).renames == {"charge": None}


def test_a_later_word_on_a_renamed_step_counts(store):
    """It may be mapped to another name when the run stops again."""
    run = stopped_by_a_rename(store)
    store.do(ReopenRun(run.id, rename=("charge", "wrong")))
    again = store.claim_one()
    store.do(halt(again, "charge#1", FailureReason.DRIFT, rank=1, detail=RENAMED))
    store.do(ReopenRun(run.id, rename=("charge", "charge_card")))
    assert store.history(run.id).renames == {"charge": "charge_card"}


@pytest.mark.parametrize("command", [{"rename": ("other", "new")}, {"accept": ("other#1",)}])
def test_a_word_on_a_step_that_did_not_stop_the_run_is_refused(store, command):
    """The run stays as it is."""
    run = stopped_by_a_rename(store)
    refused = store.do(ReopenRun(run.id, **command))
    assert refused.code == "no_such_step"
    assert store.state(run.id) is RunState.NEEDS_ATTENTION
    assert store.history(run.id).renames == {}


def test_a_run_records_the_hash_seed_of_the_process_in_which_it_started(store, second):
    """A claim by a process with another seed does not change it."""
    run = store.begin()
    assert run.hash_seed is not None
    second.announce("a")
    store.do(fail(run))
    second.do(ReopenRun(run.id))
    again = second.claim_one()
    assert (again.id, again.claim, again.hash_seed) == (run.id, 2, run.hash_seed)
    second.start()
    assert second.claim_one().hash_seed not in (None, run.hash_seed)
