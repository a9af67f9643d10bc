"""Fencing and resubmission: only the owner writes, and a lost answer changes nothing."""

import msgspec
import pytest

from mainspring.domain.errors import FencedError
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import AttemptState, FailureReason, RunState
from mainspring.store.commands.inbox import CloseWait, ExpireWait, OpenWait
from mainspring.store.commands.journal import RecordStalledAttempt, SaveAttempt, SaveCheckpoint
from mainspring.store.commands.results import CLAIM_LOST, DONE
from mainspring.store.commands.runs import AnnotateRun, ParentLink, ReleaseRun, RunKey, SaveChangeVersions
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.automations.monitor_reads import read_monitor_rows as all_watched
from tests.contract.store.process import ask, complete, event, fail, finish, halt, outcome, signal, suspend, wait_for


def attempt(run, number=1, state=AttemptState.FAILED, **options):
    return SaveAttempt(
        run.id,
        run.claim,
        "s1",
        "s1",
        run.generation,
        number,
        state,
        1,
        5,
        run.automation,
        ended_at=6,
        next_at=7,
        **options,
    )


def writes(run):
    """Every command of an owner."""
    return {
        "outcome": outcome(run, 1),
        "attempt": attempt(run),
        "checkpoint": SaveCheckpoint(run.id, run.claim, "s1", b"5", 1, 10),
        "stall": RecordStalledAttempt(run.id, run.claim, "s1", "s1", 1, 1_000, ("a.py:1 f",)),
        "open_event": wait_for(run),
        "open_question": ask(run),
        "close": CloseWait(run.id, run.claim, "e1"),
        "expire": ExpireWait(run.id, run.claim, "e1"),
        "versions": SaveChangeVersions(run.id, run.claim, b"{}"),
        "annotate": AnnotateRun(run.id, run.claim, b'{"k":"v"}', b"[1,2]"),
        "suspend": suspend(run),
        "retry_later": suspend(run, state=RunState.RETRYING, due_at=2**50),
        "release": ReleaseRun(run.id, run.claim, 0),
        "finish": finish(run),
        "complete": complete(run),
        "fail": fail(run),
        "halt": halt(run),
    }


NAMES = [
    *("outcome", "attempt", "checkpoint", "stall", "open_event", "open_question", "close", "annotate", "versions"),
    *("suspend", "retry_later", "release", "finish", "complete", "fail", "halt"),
]


def picture(store, run):
    """Everything there is of a run."""
    return store.read("run_history", run)


@pytest.mark.parametrize("name", NAMES)
def test_stale_claim_changes_nothing(store, second, name):
    """Anyone who owned a run before is refused, and leaves no trace."""
    stale = store.begin()
    store.do(suspend(stale), signal(stale.id))
    second.claim_one()
    before = picture(store, stale.id)
    assert store.do(writes(stale)[name]) == CLAIM_LOST
    assert store.again(writes(stale)[name]) == CLAIM_LOST
    assert picture(store, stale.id) == before


@pytest.mark.parametrize("name", NAMES)
def test_old_claim_of_the_same_session_changes_nothing(store, name):
    """A late result is refused although the same process owns the run again: the claim number tells."""
    stale = store.begin()
    store.do(suspend(stale), signal(stale.id))
    assert store.claim_one().claim == 2
    before = picture(store, stale.id)
    assert store.do(writes(stale)[name]) == CLAIM_LOST
    assert picture(store, stale.id) == before


@pytest.mark.parametrize("name", NAMES)
def test_other_session_changes_nothing(store, second, name):
    """The right claim number from the wrong session is refused."""
    run = store.begin()
    before = picture(store, run.id)
    assert second.do(writes(run)[name]) == CLAIM_LOST
    assert picture(store, run.id) == before


@pytest.mark.parametrize("name", NAMES)
def test_dead_session_changes_nothing(store, second, name):
    """A process that was declared dead cannot commit, whatever it sends, and its run continues elsewhere."""
    run = store.begin()
    second.do(DeclareSessionDead(store.session))
    with pytest.raises(FencedError):
        store.do(writes(run)[name])
    with pytest.raises(FencedError):
        store.again(writes(run)[name])
    claimed = second.claim_one()
    assert (claimed.id, claimed.claim) == (run.id, 2)
    assert store.history(run.id).outcomes == []


@pytest.mark.parametrize("name", NAMES)
def test_resent_write_answers_the_same(store, name):
    """A write of unknown outcome, sent again, gives the first answer and leaves one trace."""
    run = store.begin()
    command = writes(run)[name]
    assert store.do(command) == DONE
    before = picture(store, run.id)
    assert store.again(command) == DONE
    after = picture(store, run.id)
    assert after == before


@pytest.mark.parametrize("end", ["suspend", "release", "finish", "halt"])
def test_resent_group_answers_the_same(store, end):
    """A whole group that lets its run go in the end is answered alike when it comes again."""
    run = store.begin()
    all_of = writes(run)
    group = [
        all_of[name] for name in ("attempt", "checkpoint", "open_event", "open_question", "annotate", "outcome", end)
    ]
    assert store.do(*group) == [DONE] * len(group)
    before = picture(store, run.id)
    assert store.again(*group) == [DONE] * len(group)
    assert picture(store, run.id) == before


def test_stats_are_counted_once(store, clock):
    """A resent group adds nothing to the figures; they are whole numbers wherever they are read, for a sum is a decimal on a server."""
    run = store.begin()
    clock.forward(40)
    store.twice(outcome(run, 1), finish(run))
    (sums,) = store.read("sums_since", clock.now() - 60_000)
    assert {type(value) for value in msgspec.structs.astuple(sums)[1:-1]} == {int}
    rows = all_watched(store.reader, clock.now(), ended_from=clock.now() - 60_000, cap=9, steady_ms=0)
    counted = [*rows.started.values(), *(value for both in rows.ended.values() for value in both)]
    assert {type(value) for value in counted} == {int}
    assert (sums.started, sums.succeeded, sums.steps, sums.duration_ms, sums.max_duration_ms) == (1, 1, 1, 40, 40)
    assert sums.details == {"ms<=2^6": 1}


def test_resent_messages_count_once(store):
    """Signals and events of unknown outcome arrive once."""
    run = store.begin()
    store.do(wait_for(run))
    assert store.twice(signal(run.id)) == DONE
    assert store.twice(event()).number == 1
    assert [fact.kind for fact in store.history(run.id).facts] == [FactKind.SIGNAL, FactKind.EVENT]


def test_outcome_takes_its_fact_in(store):
    """Outcome and fact change places in one commit; what stood open for the request is closed."""
    run = store.begin()
    store.do(
        ask(run),
        signal(run.id),
        attempt(run, state=AttemptState.STARTED),
        SaveCheckpoint(run.id, run.claim, "q1", b"1"),
    )
    (fact,) = store.history(run.id).facts
    store.twice(outcome(run, 1, "q1", inbox=fact.seq, marked=True))
    history = store.history(run.id)
    assert (history.facts, history.checkpoints, len(history.outcomes)) == ([], {}, 1)
    assert store.read("questions") == []


def test_rank_is_given_once(store):
    """A second outcome at one rank is a mistake of the owner that is reported and saves nothing."""
    run = store.begin()
    store.do(outcome(run, 1, "x"))
    assert store.do(outcome(run, 1, "y")).code == "rank_taken"
    assert [o.ident for o in store.history(run.id).outcomes] == ["x"]


def test_history_gives_back_what_was_saved(store):
    """Outcomes in rank order, attempts of open steps and checkpoints come back as they went in."""
    run = store.begin()
    store.do(
        outcome(run, 2),
        outcome(run, 1, undo="m:f"),
        attempt(run, 1),
        SaveCheckpoint(run.id, run.claim, "s9", b"a", 1, 9),
    )
    store.do(SaveCheckpoint(run.id, run.claim, "s9", None, 2, None))
    history = store.history(run.id)
    assert [(o.rank, o.ident, o.undo, o.output) for o in history.outcomes] == [
        (1, "s1", "m:f", b"1"),
        (2, "s2", None, b"1"),
    ]
    assert history.attempts == []
    checkpoint = history.checkpoints["s9"]
    assert (checkpoint.value, checkpoint.done, checkpoint.total) == (b"a", 2, 9)


def test_ending_closes_waits_with_the_reason(store):
    """A finished run waits for nothing and shows its result, failure and reason."""
    run = store.begin()
    store.do(ask(run), fail(run, "s1"))
    view = store.run(run.id)
    assert (view.state, view.reason, view.failed_ident, view.failure.code) == (
        "failed",
        FailureReason.PERMANENT_ERROR,
        "s1",
        "boom",
    )
    assert (view.session, view.finished_at) == (None, store.clock.now())
    assert store.read("questions") == []


def test_peer_prefect_3_dead_worker_frees_its_slot(store, second, new_process):
    """A run whose worker died is not running for ever: it is claimable in the commit that declares the worker dead, its slot is free."""
    from mainspring.store.commands.automations import SetQueue

    store.do(SetQueue("default", concurrency=1))
    run = store.begin()
    second.start()
    assert second.ids() == []
    second.do(DeclareSessionDead(store.session))
    assert second.ids() == [run.id]


def test_peer_dbos_4_recovery_is_not_a_one_shot(store, second, new_process):
    """A takeover that died halfway is taken over itself: burying is one commit and may be done by anyone, any number of times."""
    run = store.begin()
    third = new_process().open()
    third.announce("a")
    assert second.do(DeclareSessionDead(store.session)).number == 1
    claimed = second.claim_one()
    assert third.do(DeclareSessionDead(second.session)).number == 1
    again = third.claim_one()
    assert (claimed.id, again.id, again.claim) == (run.id, run.id, 3)
    third.do(finish(again))
    assert third.state(run.id) == RunState.SUCCEEDED


def test_claim_after_a_death_reports_the_true_rank(store, second, new_process):
    """Outcomes that a dead owner saved count in the rank of the next claim: a body parked elsewhere at the old rank is seen to be stale."""
    run = store.begin()
    store.do(outcome(run, 1), suspend(run, rank=1), signal(run.id))
    claimed = second.claim_one()
    second.do(outcome(claimed, 2))
    store.do(DeclareSessionDead(second.session))
    assert store.claim_one().rank == 2


def test_peer_oban_5_elapsed_time_rescues_nothing(store, second, clock):
    """A run that takes days stays with its live worker: time alone never gives it away."""
    run = store.begin()
    clock.forward(30 * 86_400_000)
    assert second.ids() == []
    assert store.do(outcome(run, 1), finish(run)) == [DONE, DONE]


def test_peer_kombu_7_long_delay_is_delivered_once(store, second, clock):
    """A start far ahead, looked at again and again by two workers, runs once: there is no visibility time-out."""
    run = store.start(due_at=clock.now() + 40 * 86_400_000).run
    for _ in range(40):
        assert store.ids() + second.ids() == []
        clock.forward(86_400_000)
    assert store.ids() + second.ids() == [run]


@pytest.mark.parametrize("many", [1, 3])
def test_completion_is_an_outcome_and_an_end_in_one(store, many):
    """What the journal and the run tell afterwards is what an outcome and an end tell that are said one after the other."""
    store.announce("a", "b")
    whole = [store.begin(automation="a", run_key=RunKey(f"k{n}", "h")) for n in range(many)]
    parts = [store.begin(automation="b") for n in range(many)]
    answers = store.do(*(complete(run) for run in whole))
    assert answers == (DONE if many == 1 else [DONE] * many)
    for run in parts:
        store.do(outcome(run, 1), finish(run, rank=1, result=b"1"))
    for first, other in zip(whole, parts, strict=True):
        assert [replace_names(o) for o in store.history(first.id).outcomes] == [
            replace_names(o) for o in store.history(other.id).outcomes
        ]
        run, same = store.run(first.id), store.run(other.id)
        assert (run.state, run.result, run.rank, run.steps) == (same.state, same.result, same.rank, same.steps)
        assert store.start(automation="a", run_key=RunKey(f"k{whole.index(first)}", "h")).run == first.id
    counts = {row[0]: row[1:] for row in store.reader.read_text("select automation, succeeded, steps from rollups")}
    assert counts["a"] == counts["b"] == (many, many)


def replace_names(outcome):
    return msgspec.structs.replace(outcome, at=0, started_at=0)


def test_completion_reports_parent_watcher_and_the_next_of_its_partition(store):
    """Also among others that no one waits for: each of the three is reported by the commit that ends the run."""
    parent = store.begin()
    link = ParentLink(parent.id, "kid#1", parent.claim)
    kid = claim_of(store, store.start("b", parent=link, input=b"[1]").run)
    watcher = store.begin()
    watched = store.begin()
    store.do(OpenWait(watcher.id, watcher.claim, "w#1", "run", watched.id))
    held = store.begin(partition="p")
    behind = store.start(partition="p").run
    rest_of_them = [store.begin() for _ in range(3)]
    ends = [
        complete(run, output=b"5") for run in (rest_of_them[0], kid, watched, rest_of_them[1], held, rest_of_them[2])
    ]
    assert store.do(*ends) == [DONE] * 6
    assert [(f.ident, f.payload) for f in store.history(parent.id).facts] == [("kid#1", b"5")]
    assert [(f.ident, f.payload) for f in store.history(watcher.id).facts] == [("w#1", b"5")]
    assert store.ids() == [behind]


def claim_of(store, run):
    (claimed,) = store.claim().runs
    assert claimed.id == run
    return claimed
