"""A run that restarts and those that continue it are one chain: events and signals count once in it, its key leads to the newest."""

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.triggers.event_matching import event_hash, match_hash, match_paths
from mainspring.store.commands.automations import ApplyRetention, SetQueue
from mainspring.store.commands.inbox import CloseWait, RejectFact, ReturnFact
from mainspring.store.commands.runs import ReopenRun, RunKey
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import event, finish, outcome, signal, suspend, wait_for

BAD = Failure("ValueRefusedError", "value_refused", "it does not fit")


def restart(store, run, **options):
    """End a run so that another continues it; return that one, claimed."""
    key = RunKey(run.run_key, "h2", "continue") if run.run_key else None
    then = store.starting(run.automation, run_key=key, **options)
    store.do(finish(run, detail=b'{"restarted_as": "%s"}' % then.id.encode(), then=then))
    successor = store.claim_one()
    assert successor.id == then.id
    return successor


def prune(before):
    return ApplyRetention(
        succeeded_before=before,
        failed_before=None,
        cancelled_before=None,
        rollups_before=None,
        events_before=None,
        limit=100,
    )


def facts(store, run):
    return [(fact.kind, fact.source) for fact in store.history(run.id).facts]


def take_in(store, run, rank=1):
    """Accept the first fact of a run."""
    fact = store.history(run.id).facts[0]
    kind = OutcomeKind(fact.kind.value)
    command = outcome(run, rank, fact.ident or fact.name, kind=kind, output=fact.payload, inbox=fact.seq, marked=True)
    store.do(command)
    return fact


def test_event_published_between_two_waits_of_a_chain_is_not_lost(store, clock):
    """The window of the one that continues begins with the first run."""
    first = store.begin()
    clock.forward(1)
    store.do(event(id="e-1"))
    clock.forward(1)
    successor = restart(store, restart(store, first))
    store.do(wait_for(successor))
    assert facts(store, successor) == [(FactKind.EVENT, "e-1")]


def test_event_given_to_a_run_that_restarts_without_reading_it_counts_for_its_successor(store):
    """It lay in the inbox when the run ended."""
    first = store.begin()
    store.do(wait_for(first))
    store.do(event(id="e-1"))
    successor = restart(store, first)
    store.do(wait_for(successor))
    assert facts(store, successor) == [(FactKind.EVENT, "e-1")]
    assert store.history(first.id).facts == []


def test_event_that_a_chain_has_counted_counts_for_none_of_it_again(store, clock):
    """Neither since an instant before, nor by another condition; another run counts it by itself."""
    other = store.begin()
    first = store.begin()
    store.do(wait_for(first, where={"k": 1}))
    store.do(event(id="e-1", data=b'{"k":1}'))
    take_in(store, first)
    clock.forward(1)
    successor = restart(store, first)
    store.do(wait_for(successor, since_at=0, where={"k": 1}), wait_for(successor, ident="e2", since_at=0))
    assert facts(store, successor) == []
    store.do(wait_for(other))
    assert facts(store, other) == [(FactKind.EVENT, "e-1")]


def test_event_lists_the_run_of_the_chain_that_received_it(store):
    """Not the first one."""
    successor = restart(store, store.begin())
    store.do(wait_for(successor))
    store.do(event(id="e-1"))
    rows = store.reader.read("list_receivers_of_event", ("e-1", 5))
    assert [row[0] for row in rows] == [successor.id]


def test_key_leads_to_the_newest_run_of_a_chain(store):
    """Under the input that it was taken with; another input is refused still."""
    first = store.begin(run_key=RunKey("k", "h"))
    successor = restart(store, restart(store, first))
    found = store.start(run_key=RunKey("k", "h"))
    assert (found.run, found.created) == (successor.id, False)
    assert store.start(run_key=RunKey("k", "h2")).code == "key_conflict"


def test_message_to_a_first_run_that_was_pruned_reaches_the_newest(store, clock):
    """And what the chain was given stays known as long as one of it is there."""
    first = store.begin()
    store.do(wait_for(first))
    store.do(event(id="e-1"))
    take_in(store, first)
    clock.forward(1_000)
    successor = restart(store, restart(store, first))
    clock.forward(1_000)
    assert store.do(prune(clock.now())).number == 2
    store.do(signal(first.id))
    store.do(wait_for(successor, since_at=0))
    assert facts(store, successor) == [(FactKind.SIGNAL, "src")]
    store.do(finish(successor))
    clock.forward(1_000)
    store.do(prune(clock.now()))
    assert store.reader.read_text("select count(*) from consumed_facts", ()) == [(0,)]
    assert store.reader.read_text("select count(*) from event_cursors", ()) == [(0,)]


def test_signal_whose_answer_was_lost_counts_once_however_often_the_run_restarted(store):
    """Sent again to the first run, it was given to the chain before."""
    first = store.begin()
    store.do(signal(first.id))
    successor = restart(store, restart(store, first))
    store.again(signal(first.id))
    assert facts(store, successor) == [(FactKind.SIGNAL, "src")]


def test_signal_accepted_for_a_wait_that_was_abandoned_is_put_back_once(store):
    """Whatever is sent again; the outcome counts as cancelled."""
    run = store.begin()
    store.do(signal(run.id))
    fact = take_in(store, run)
    command = ReturnFact(run.id, run.claim, 1, fact.name, fact.payload, fact.at, fact.seq)
    store.twice(command)
    store.do(command)
    assert [(back.name, back.seq) for back in store.history(run.id).facts] == [("go", fact.seq)]
    assert [outcome.state.value for outcome in store.history(run.id).outcomes] == ["cancelled"]
    successor = restart(store, run)
    assert [fact.name for fact in store.history(successor.id).facts] == ["go"]
    assert store.do(msgspec.structs.replace(command, claim=run.claim + 1)).code == "claim_lost"


def test_rejected_message_stays_with_the_chain(store):
    """It is read again by the newest run."""
    run = store.begin()
    store.do(wait_for(run))
    store.do(event(id="e-1"), signal(run.id))
    for fact in store.history(run.id).facts:
        name = fact.name if fact.kind is FactKind.EVENT else None
        store.twice(RejectFact(run.id, run.claim, fact.seq, BAD, name))
    assert facts(store, run) == []
    successor = restart(store, run)
    store.do(wait_for(successor))
    store.do(suspend(successor))
    assert store.ids() == []
    store.do(ReopenRun(successor.id))
    assert sorted(facts(store, successor)) == [(FactKind.EVENT, "e-1"), (FactKind.SIGNAL, "src")]
    assert store.ids() == [successor.id]


def test_chain_continues_although_its_queue_is_full(store):
    """A full queue keeps new work out; a chain is no new work, and must not end in silence."""
    run = store.begin()
    store.do(SetQueue("default", max_backlog=1))
    store.start(priority=-10)
    assert store.start().code == "busy"
    restart(store, run, priority=10)


def test_long_chain_does_not_read_what_it_has_counted(store, clock):
    """A wait begins where the last one ended: the cursor stands at the newest event that was counted."""
    run = store.begin()
    for n in range(20):
        clock.forward(1)
        store.do(event(id=f"e-{n}"))
    for n in range(20):
        store.do(wait_for(run, ident=f"w{n}"))
        assert take_in(store, run, n + 1).source == f"e-{n}"
        if n % 3 == 2:
            run = restart(store, run)
    store.do(wait_for(run, ident="last"))
    ((cursor,),) = store.reader.read_text("select seq from event_cursors", ())
    ((newest,),) = store.reader.read_text("select max(seq) from events", ())
    assert cursor == newest


def test_event_of_a_wait_that_was_abandoned_goes_to_one_of_another_condition(store):
    """It fits both: the other wait was open all the time, and would miss it."""
    run = store.begin()
    store.do(event(id="e-1", data=b'{"k":"a"}'))
    store.do(wait_for(run, ident="any", where={}))
    store.do(wait_for(run, ident="narrow", where={"k": "a"}))
    assert [fact.ident for fact in store.history(run.id).facts] == ["any"]
    store.do(CloseWait(run.id, run.claim, "any"))
    assert [fact.ident for fact in store.history(run.id).facts] == ["narrow"]


class Chain(RuleBasedStateMachine):
    """Any order of publishing, waiting, accepting, abandoning, rejecting, putting back and restarting.

    What is true after each: an event lies in one place at most, or was counted once; a wait that is open has an event, or there is none.
    """

    def __init__(self, new_database):
        super().__init__()
        self.opener = new_database()
        self.clock = FakeClock()

    @initialize()
    def open(self):
        self.store = self.opener(self.clock).open()
        self.store.announce("a")
        self.run = self.store.begin()
        self.window = self.clock.now()
        self.events = {}
        self.waits = {}
        self.counted = {}
        self.rejected = set()
        self.rank = self.number = 0

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()

    @property
    def lying(self):
        return {fact.ident: fact for fact in self.store.history(self.run.id).facts}

    def fits(self, ident, number):
        where, since = self.waits[ident]
        at, data = self.events[number]
        return at >= since and event_hash("paid", match_paths(where), data) == match_hash("paid", where)

    def free(self, ident):
        used = {fact.source for fact in self.lying.values()} | set(self.counted.values()) | self.rejected
        return [number for number in self.events if number not in used and self.fits(ident, number)]

    @rule(kind=st.sampled_from("ab"))
    def publish(self, kind):
        number = f"e-{len(self.events):04}"
        self.events[number] = (self.clock.now(), {"k": kind})
        self.store.do(event(id=number, data=msgspec.json.encode({"k": kind})))

    @rule(where=st.sampled_from([{}, {"k": "a"}, {"k": "b"}]), back=st.sampled_from([None, 0, 3, 10**6]))
    def wait(self, where, back):
        self.number += 1
        ident = f"w{self.number:04}"
        since = self.window if back is None else max(self.clock.now() - back, 0)
        self.waits[ident] = (where, since)
        before = self.free(ident)
        self.store.do(wait_for(self.run, ident=ident, where=where, since_at=None if back is None else since))
        found = self.lying.get(ident)
        assert (None if found is None else found.source) == min(before, default=None)

    @precondition(lambda self: self.lying)
    @rule(data=st.data())
    def take(self, data):
        fact = self.lying[data.draw(st.sampled_from(sorted(self.lying)))]
        self.rank += 1
        options = {"kind": OutcomeKind.EVENT, "inbox": fact.seq, "marked": True, "output": fact.payload}
        self.store.do(outcome(self.run, self.rank, fact.ident, **options))
        del self.waits[fact.ident]
        self.counted[self.run.id, self.rank] = fact.source

    @precondition(lambda self: self.waits)
    @rule(data=st.data())
    def give_up(self, data):
        ident = data.draw(st.sampled_from(sorted(self.waits)))
        self.store.do(CloseWait(self.run.id, self.run.claim, ident))
        del self.waits[ident]

    @precondition(lambda self: self.lying)
    @rule(data=st.data())
    def reject(self, data):
        fact = self.lying[data.draw(st.sampled_from(sorted(self.lying)))]
        self.rejected.add(fact.source)
        self.store.do(RejectFact(self.run.id, self.run.claim, fact.seq, BAD, fact.name))

    @precondition(lambda self: self.rejected)
    @rule()
    def read_again(self):
        self.store.do(ReopenRun(self.run.id))
        self.rejected.clear()

    @precondition(lambda self: any(run == self.run.id for run, _ in self.counted))
    @rule(data=st.data())
    def put_back(self, data):
        place = data.draw(st.sampled_from(sorted(place for place in self.counted if place[0] == self.run.id)))
        number = self.counted.pop(place)
        self.store.do(ReturnFact(self.run.id, self.run.claim, place[1], "paid", b"{}", 0, event=number))

    @rule()
    def begin_again(self):
        self.run = restart(self.store, self.run)
        self.waits.clear()
        self.rank = 0

    @rule(ms=st.integers(1, 5))
    def advance_clock(self, ms):
        self.clock.forward(ms)

    @invariant()
    def each_event_is_in_one_place(self):
        if not hasattr(self, "store"):
            return
        places = [fact.source for fact in self.lying.values()] + list(self.counted.values())
        assert len(places) == len(set(places))
        assert all(self.fits(ident, fact.source) for ident, fact in self.lying.items())
        assert not self.rejected & set(places)

    @invariant()
    def no_open_wait_misses_an_event(self):
        if hasattr(self, "store"):
            assert [ident for ident in self.waits if ident not in self.lying and self.free(ident)] == []


@pytest.mark.timeout(300)  # on a busy machine
def test_any_order_of_waits_and_restarts_counts_each_event_once(new_database, request):
    """Against what is true of each: nothing lost, nothing twice."""
    most = 25 if "sqlite" in request.node.name else 8  # a server answers more slowly than a file
    run_state_machine_as_test(
        lambda: Chain(new_database),
        settings=settings(
            max_examples=most,
            stateful_step_count=25,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            deadline=None,
        ),
    )
