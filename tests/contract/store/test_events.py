"""Events: met by waits in either order, once per run, for as long as they are kept."""

import pytest

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.inbox import CloseWait, ExpireWait
from tests.contract.store.process import event, outcome, suspend, wait_for

WHERE = {"charge": "c1", "card.country": "DE"}
DATA = b'{"charge": "c1", "card": {"country": "DE"}, "x": 1}'


def facts(store, run):
    return [(fact.ident, fact.kind, fact.payload) for fact in store.history(run.id).facts]


def test_event_after_the_wait_wakes(store):
    """An event wakes exactly the runs whose where-values it carries."""
    run = store.begin()
    store.do(wait_for(run, where=WHERE), suspend(run))
    assert store.do(event(data=b'{"charge": "c2", "card": {"country": "DE"}}')).number == 0
    assert store.do(event("other", DATA)).number == 0
    assert store.do(event(data=DATA)).number == 1
    assert facts(store, run) == [("e1", FactKind.EVENT, DATA)]
    assert store.ids() == [run.id]


def test_event_before_the_wait_is_kept(store):
    """An event that came after the run was made, and before it asked, is found when it asks, whatever shape it asks for."""
    run = store.begin()
    store.do(event(data=DATA))
    store.do(wait_for(run, where=WHERE))
    assert facts(store, run) == [("e1", FactKind.EVENT, DATA)]


def test_event_before_the_run_does_not_count(store, clock):
    """Only what came after the run's creation counts, unless the wait says since when."""
    store.do(event(data=DATA))
    clock.forward(1)
    run = store.begin()
    store.do(wait_for(run))
    assert facts(store, run) == []
    store.do(wait_for(run, ident="e2", since_at=clock.now() - 1))
    assert [ident for ident, _, _ in facts(store, run)] == ["e2"]


def test_wait_may_start_later(store, clock):
    """A wait for what comes from an instant on is not filled by what comes before it."""
    run = store.begin()
    store.do(wait_for(run, since_at=clock.now() + 5))
    assert store.do(event()).number == 0
    clock.forward(5)
    assert store.do(event()).number == 1


def test_event_counts_once_per_run(store):
    """Two waits of one run need two events; two runs may use one."""
    first, other = store.begin(), store.begin()
    store.do(wait_for(first, ident="e1"), wait_for(first, ident="e2"), wait_for(other))
    assert store.do(event(data=b"1")).number == 2
    assert facts(store, first) == [("e1", FactKind.EVENT, b"1")]
    store.do(event(data=b"2"))
    assert [(ident, payload) for ident, _, payload in facts(store, first)] == [("e1", b"1"), ("e2", b"2")]
    assert len(facts(store, other)) == 1


def test_event_names_the_runs_that_were_given_it(store):
    """Those that waited, and one that came to wait for it later; no other."""
    waiting, other = store.begin(), store.begin()
    store.do(wait_for(waiting), event(id="ev1"), event(id="ev2"))
    store.do(wait_for(other, since_at=0))
    given = {receiver.id: (receiver.automation, receiver.state) for receiver in store.read("receivers_of_event", "ev1")}
    assert given == dict.fromkeys((waiting.id, other.id), (waiting.automation, RunState.RUNNING))
    assert store.read("receivers_of_event", "ev2") == []
    assert len(store.read("receivers_of_event", "ev1", limit=1)) == 1


def test_taken_event_is_not_given_again(store):
    """An event that a run has accepted does not fill a later wait."""
    run = store.begin()
    store.do(wait_for(run), event())
    (fact,) = store.history(run.id).facts
    store.do(outcome(run, 1, "e1", inbox=fact.seq, marked=True), wait_for(run, ident="e2"))
    assert facts(store, run) == []


def test_closed_wait_frees_its_event(store):
    """An event delivered to a wait that was abandoned is there for the run's next wait."""
    run = store.begin()
    store.do(wait_for(run, ident="e1"), wait_for(run, ident="e2"), event())
    assert [ident for ident, _, _ in facts(store, run)] == ["e1"]
    store.twice(CloseWait(run.id, run.claim, "e1"))
    assert [ident for ident, _, _ in facts(store, run)] == ["e2"]


def test_same_key_is_one_event(store):
    """A second event of one name and key is not stored."""
    run = store.begin()
    store.do(wait_for(run), wait_for(run, ident="e2"))
    assert store.do(event(key="k")).number == 1
    assert store.do(event(key="k")).number == 0
    assert len(store.read("events")) == 1
    assert len(facts(store, run)) == 1


def test_reopened_wait_is_one_wait(store):
    """A body that asks again after a restart keeps its wait and what lies in it."""
    run = store.begin()
    store.do(wait_for(run), event())
    store.do(wait_for(run))
    assert len(facts(store, run)) == 1


def test_expired_wait_and_event_do_not_meet(store, clock):
    """A wait after its deadline and an event after its keep time count no more."""
    run = store.begin()
    store.do(wait_for(run, until_at=clock.now() + 5), event("late", keep_until=clock.now() + 5))
    clock.forward(5)
    assert store.do(event()).number == 0
    store.do(wait_for(run, "late", "e2"))
    assert facts(store, run) == []
    store.do(ApplyRetention(None, None, None, clock.now() + 1, None))
    assert [e.name for e in store.read("events")] == ["paid"]


def test_event_of_the_end_of_the_time_is_kept_for_the_next_wait(store, clock):
    """Also if the wait is opened again afterwards, by the worker that replays the run."""
    run = store.begin()
    until_at = clock.now() + 5
    store.do(wait_for(run, until_at=until_at))
    clock.forward(5)
    assert store.do(event(data=DATA)).number == 0
    store.do(wait_for(run, until_at=until_at))
    assert store.do(ExpireWait(run.id, run.claim, "e1")).facts == ()
    store.do(wait_for(run, ident="e2", until_at=clock.now() + 50))
    assert [ident for ident, _, _ in facts(store, run)] == ["e2"]


@pytest.mark.parametrize("value", [1, 1.0, True, None, "x", [1, 2], {"b": 1, "a": 2}])
def test_where_compares_json_values(store, value):
    """Where-values match by their JSON value."""
    import msgspec

    run = store.begin()
    store.do(wait_for(run, where={"v": value}))
    assert store.do(event(data=b'{"v": "other"}')).number == 0
    assert store.do(event(data=msgspec.json.encode({"v": value}))).number == 1


def test_events_are_found_by_name_and_by_id(store):
    """Newest first, behind a cursor; one that is not there is none."""
    store.do(*(event(name, id=f"e{n}", data=b"%d" % n) for n, name in enumerate(("paid", "sent", "paid", "paid"))))
    assert [event.id for event in store.read("events")] == ["e3", "e2", "e1", "e0"]
    first = store.read("events", "paid", limit=2)
    assert [event.id for event in first] == ["e3", "e2"]
    assert [event.id for event in store.read("events", "paid", cursor=first[-1].seq)] == ["e0"]
    assert store.read("events", "lost") == []
    found = store.read("event", "e1")
    assert (found.name, found.data, found.woken) == ("sent", b"1", 0)
    assert store.read("event", "e9") is None
