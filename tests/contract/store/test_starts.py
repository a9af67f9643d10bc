"""Starting: identity, keys, partitions, backlog, children."""

import pytest

from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import RetireAutomation, SetMeta, SetQueue
from mainspring.store.commands.results import CLAIM_LOST, DONE, Refused, StartAnswer
from mainspring.store.commands.runs import CancelRun, ParentLink, RunKey
from tests.contract.store.process import BOOM, audited, fail, finish, halt, outcome, signal, suspend


def test_same_id_starts_once(store):
    """The id is the identity of the command: sent twice, even without a lost answer, it makes one run."""
    command = store.starting()
    assert store.do(command) == StartAnswer(command.id, created=True, state="queued")
    assert store.do(command) == StartAnswer(command.id, created=False, state="queued")
    assert store.ids() == [command.id]


def test_retired_automation_starts_nothing(store):
    """A retired automation refuses new runs and finishes what it has."""
    run = store.start().run
    store.do(RetireAutomation("a"))
    assert store.start().code == "retired"
    assert store.ids() == [run]


def test_a_start_whose_caller_waits_is_refused_while_the_store_is_on_hold(store):
    """It would wait until a person releases the store; a start that no one waits for is queued."""
    store.do(SetMeta("held", "1"))
    assert store.start(awaited=True).code == "held"
    queued = store.start().run
    assert store.ids() == []
    store.do(SetMeta("held", None))
    assert store.start(awaited=True).created
    assert store.ids()[0] == queued


def test_key_of_a_run_that_ended_answers_also_while_the_store_is_on_hold(store):
    """Its result is on record: the caller would not wait. For a run that waits for the release it would."""
    ended, waiting = RunKey("ended", "hash"), RunKey("waiting", "hash")
    first = store.start(run_key=ended)
    store.do(finish(store.claim_one()))
    store.start(run_key=waiting)
    store.do(SetMeta("held", "1"))
    assert store.start(run_key=ended, awaited=True) == StartAnswer(
        first.run, created=False, state="succeeded", by_key=True
    )
    assert store.start(run_key=waiting, awaited=True).code == "held"
    assert store.start(run_key=RunKey("ended", "other"), awaited=True).code == "key_conflict"


def test_full_backlog_refuses_and_states_when(store):
    """max_backlog counts runs that were never claimed; anyone who is refused learns when to come back."""
    store.do(SetQueue("default", max_backlog=2))
    first, _ = store.start(), store.start()
    refused = store.start()
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry_after_ms > 0) == ("busy", True)
    assert store.read("queue_views")[0].backlog == 2
    store.claim(1)
    assert store.start().created
    store.do(CancelRun(first.run, "x"))
    assert store.read("queue_views")[0].backlog == 2


def test_here_runs_at_once(store):
    """A run that its starter runs itself is running from its first instant and is claimed by no one."""
    started = store.start(here=True)
    assert (started.state, store.ids()) == ("running", [])
    view = store.run(started.run)
    assert (view.session, view.claim) == (store.session, 1)


def test_key_finds_the_run(store):
    """Starting twice with one key is one run, while it lives and after it succeeded."""
    key = RunKey("k", "hash")
    first = store.start(run_key=key)
    assert store.start(run_key=key) == StartAnswer(first.run, created=False, state="queued", by_key=True)
    store.do(finish(store.claim_one()))
    assert store.start(run_key=key) == StartAnswer(first.run, created=False, state="succeeded", by_key=True)
    assert store.start("b", run_key=key).created


def test_key_refuses_another_input(store):
    """One key with two inputs is a mistake that is reported, and starts nothing."""
    store.start(run_key=RunKey("k", "hash"))
    refused = store.start(run_key=RunKey("k", "other"))
    assert refused.code == "key_conflict"
    assert len(store.ids()) == 1


def test_key_expires(store, clock):
    """A key is free for a new run, with any input, once it expired."""
    store.start(run_key=RunKey("k", "hash", expires_at=clock.now() + 10))
    store.do(finish(store.claim_one()))
    clock.forward(10)
    assert store.start(run_key=RunKey("k", "other")).created


def test_key_is_handed_over(store):
    """The next run of an endless one takes its key over; the key keeps the input of the first, with which callers find it again."""
    first = store.begin(run_key=RunKey("k", "hash"))
    successor = store.starting(run_key=RunKey("k", "other", policy="continue"))
    store.do(finish(first, then=successor))
    assert store.start(run_key=RunKey("k", "hash")).run == successor.id
    assert store.start(run_key=RunKey("k", "other")).code == "key_conflict"


@pytest.mark.parametrize(("policy", "created"), [("reuse", False), ("restart", True)])
def test_peer_triggerdev_22_key_of_a_failed_run(store, policy, created):
    """A key whose run failed answers with it or makes a new one, as its policy says; not for ever with a dead run."""
    key = RunKey("k", "hash", policy=policy)
    first = store.start(run_key=key)
    store.do(fail(store.claim_one()))
    answer = store.start(run_key=key)
    assert (answer.created, answer.run == first.run) == (created, not created)


def test_peer_hatchet_22_three_deliveries_are_one_run(store, second):
    """A webhook that is delivered three times, to two processes, makes one run."""
    key = RunKey("delivery-1", "hash")
    answers = [store.start(run_key=key), second.start(run_key=key), store.start(run_key=key)]
    assert len({answer.run for answer in answers}) == 1
    assert [answer.created for answer in answers] == [True, False, False]


def test_partition_runs_one_at_a_time_in_order(store):
    """A key is held from the start to the end, waiting included, and passed on in order."""
    runs = [store.start(partition="p").run for _ in range(3)]
    other = store.start(partition="q").run
    first, second = store.claim().runs
    assert [first.id, second.id] == [runs[0], other]
    store.do(suspend(first))
    assert store.ids() == []
    store.do(signal(first.id))
    first = store.claim_one()
    store.do(finish(first))
    assert store.ids() == [runs[1]]
    assert store.run(runs[2]).blocked == "partition"


def test_partition_of_a_cancelled_run_is_passed_on(store):
    """A run that is cancelled before it began does not keep its key."""
    first, second = (store.start(partition="p").run for _ in range(2))
    store.do(CancelRun(first, "x"))
    assert store.ids() == [second]


def test_cancelled_blocked_run_is_skipped(store):
    """A blocked run that is cancelled is not handed the key."""
    runs = [store.start(partition="p").run for _ in range(3)]
    store.do(CancelRun(runs[1], "x"), finish(store.claim_one()))
    assert store.ids() == [runs[2]]


def test_due_run_takes_its_partition_when_due(store, clock):
    """A run planned for later keeps no one waiting until then, and waits in its turn afterwards."""
    later = store.start(partition="p", due_at=clock.now() + 100).run
    now = store.begin(partition="p")
    clock.forward(100)
    assert store.ids() == []
    assert store.run(later).blocked == "partition"
    store.do(finish(now))
    assert store.ids() == [later]


def test_due_run_goes_before_one_that_starts_later(store, clock):
    """Whose time came first has the key first, though no claim has looked at it since."""
    later = store.start(partition="p", due_at=clock.now() + 7)
    clock.forward(20)
    store.start(partition="p")
    assert store.ids() == [later.run]


@pytest.mark.parametrize("passes", [False, True])
def test_halted_run_keeps_or_passes_its_partition(store, passes):
    """A run that needs attention keeps its key unless it is asked to pass it on."""
    first = store.begin(partition="p")
    second = store.start(partition="p").run
    store.do(halt(first, pass_partition=passes))
    assert store.ids() == ([second] if passes else [])


def test_blocked_run_past_its_deadline_comes_up(store, clock):
    """A run whose deadline passes while it is blocked is claimed, so that it can end."""
    store.begin(partition="p")
    blocked = store.start(partition="p", deadline_after_ms=50).run
    assert store.claim().next_due_at == clock.now() + 50
    clock.forward(50)
    assert store.ids() == [blocked]
    assert store.ids() == []


def child_of(run, **options):
    ident = options.pop("ident", "c1")
    return {"parent": ParentLink(run.id, ident, run.claim, **options), "input": b'{"of":"%s"}' % run.id.encode()}


def test_child_shares_its_parents_hold(store):
    """A child, and a child of a child, may use the key that a run above them holds."""
    parent = store.begin(partition="p")
    child = store.begin(partition="p", **child_of(parent))
    grandchild = store.start(partition="p", **child_of(child)).run
    stranger = store.start(partition="p").run
    assert store.ids() == [grandchild]
    store.do(finish(child))
    assert store.ids() == []
    store.do(finish(parent))
    assert store.ids() == [stranger]


def test_child_needs_its_parents_claim(store):
    """A worker that lost the parent starts no child of it."""
    parent = store.begin()
    store.do(suspend(parent))
    assert store.start(**child_of(parent)) == CLAIM_LOST


def test_childs_end_wakes_its_parent(store):
    """The parent gets the child's result as a fact of the request that asked for it, and is claimed."""
    parent = store.begin()
    child = store.begin(**child_of(parent))
    store.do(suspend(parent))
    store.twice(finish(child, result=b"42"))
    (woken,) = store.claim().runs
    (fact,) = woken.facts
    assert (woken.id, fact.kind, fact.ident, fact.source, fact.payload, fact.failure) == (
        *(parent.id, FactKind.CHILD, "c1", child.id, b"42", None),
    )


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
def test_childs_failure_is_reported(store, state):
    """A child that did not succeed leaves a failure with its parent, whatever it ended of."""
    parent = store.begin()
    child = store.begin(**child_of(parent))
    store.do(finish(child, state, failure=BOOM if state is RunState.FAILED else None))
    (fact,) = store.history(parent.id).facts
    assert fact.failure is not None


def test_child_requested_again_is_reported_again(store):
    """When a parent asks again for a child that has ended, its end is delivered once more."""
    parent = store.begin()
    command = store.starting(**child_of(parent))
    store.do(command)
    store.do(finish(store.claim_one(), result=b"7"))
    assert store.do(command) == StartAnswer(command.id, created=False, state="succeeded")
    assert [fact.payload for fact in store.history(parent.id).facts] == [b"7"]


def test_child_requested_again_keeps_the_fact_that_is_there(store):
    """An end that already lies in the inbox stays the one fact of it: anyone who takes it in by its number leaves none behind."""
    parent = store.begin()
    command = store.starting(**child_of(parent))
    store.do(command)
    (child,) = store.claim().runs
    store.do(finish(child))
    (fact,) = store.history(parent.id).facts
    again, accepted = store.do(command, outcome(parent, 1, ident="c1", kind=OutcomeKind.CHILD, inbox=fact.seq))
    assert (again.created, accepted) == (False, DONE)
    assert store.history(parent.id).facts == []


def test_children_follow_the_close_policy(store):
    """When a parent ends, its children are cancelled, fresh ones at once, or stay, as each was asked for."""
    parent = store.begin()
    running = store.begin(**child_of(parent))
    fresh = store.start(**child_of(parent, ident="c2")).run
    stored = store.start(**child_of(parent, ident="c3", close_policy="keep")).run
    store.do(fail(parent))
    assert store.state(fresh) == RunState.CANCELLED
    assert [fact.kind for fact in store.history(running.id).facts] == [FactKind.CANCEL]
    assert store.ids() == [stored]


def test_resent_start_answers_the_same(store):
    """A start of unknown outcome finds its run: nothing is made twice."""
    parent = store.begin()
    command = store.starting(run_key=RunKey("k", "h"), partition="p", **child_of(parent))
    assert store.do(command).created
    assert store.again(command).run == command.id
    assert store.ids() == [command.id]
    act = audited(store.starting())
    store.twice(act)


def test_successor_inherits_parent_and_key(store):
    """The run that continues an ended one is waited for in its stead; where it cannot start, the parent is reported the end."""
    for retired in (False, True):
        parent = store.begin()
        key = RunKey(f"endless {retired}", "h1")
        run = store.begin(automation="b", run_key=key, **child_of(parent))
        if retired:
            store.do(RetireAutomation("b"))
        successor = store.starting("b", run_key=RunKey(key.key, "h2", policy="continue"))
        store.twice(finish(run, then=successor))
        assert len(store.history(parent.id).facts) == int(retired)
        if not retired:
            store.do(finish(store.claim_one(), result=b"9"))
            (fact,) = store.history(parent.id).facts
            assert (fact.payload, fact.source, fact.ident) == (b"9", successor.id, "c1")


def test_successor_inherits_unread_messages(store):
    """A message and a cancel that came just before a run restarted reach the run that continues it."""
    run = store.begin(automation="b")
    store.do(signal(run.id), CancelRun(run.id, "c1"))
    successor = store.starting("b")
    store.twice(finish(run, then=successor))
    claimed = store.claim_one()
    assert claimed.id == successor.id
    assert [fact.kind for fact in claimed.facts] == [FactKind.SIGNAL, FactKind.CANCEL]
