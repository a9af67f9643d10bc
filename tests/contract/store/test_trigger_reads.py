"""What people are shown of triggers: counted with a cap, page by page, by every database alike."""

import pytest

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.ids import make_id
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControl, FlowControlState, HeldDeliveries
from mainspring.store.commands.runs import RunKey
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.read import triggers
from tests.contract.store.deliveries import HOOK, accepting, announced, deciding, hook, on_event, releasing
from tests.contract.store.process import event

HOUR = 3_600_000


@pytest.fixture
def store(store):
    """A worker whose automation a has a webhook."""
    store.do(announced(hook()))
    return store


def accept(store, key, **options):
    """One arrival, whose id tells when it came, as doors make them."""
    return store.do(accepting(store, key, id=make_id("d", store.clock.now(), hash(key)), **options))


def test_recent_deliveries_are_counted_by_verdict(store, clock, monkeypatch):
    """Each state, those rejected at intake, the last one; what came before does not count, and counting stops at its cap."""
    accept(store, "old")
    clock.forward(25 * HOUR)
    since = clock.now()
    assert triggers.count_deliveries_since(store.reader, since).by_trigger == {}
    accept(store, "new")
    accept(store, "held", pace=FlowControl(debounce=60_000))
    clock.forward(HOUR)
    store.do(RejectDelivery(id=make_id("d", clock.now(), 9), trigger=HOOK, why="bad_signature", note="no", body=b""))
    found = triggers.count_deliveries_since(store.reader, since)
    stats = found.by_trigger[HOOK]
    assert stats.states == {"started": 1, "held": 1, "refused": 1}
    assert (stats.at_the_door, stats.last_at, found.more) == (1, clock.now(), False)
    assert triggers.last_delivery_at(store.reader, HOOK) == clock.now()
    assert triggers.last_delivery_at(store.reader, "b/webhook") is None
    monkeypatch.setattr(triggers, "CAP", 2)
    assert triggers.count_deliveries_since(store.reader, since).more


def test_deliveries_are_paged_and_found_by_the_start_of_their_id(store, clock):
    """Newest first; of one trigger, of one state, since an instant."""
    for n in range(3):
        accept(store, f"k{n}")
        clock.forward(HOUR)
    page = triggers.deliveries(store.reader, limit=2)
    assert [row.key for row in page.deliveries] == ["k2", "k1"]
    rest = triggers.deliveries(store.reader, limit=2, cursor=page.cursor)
    assert ([row.key for row in rest.deliveries], rest.cursor) == (["k0"], None)
    assert triggers.deliveries(store.reader, trigger="b/webhook").deliveries == []
    assert triggers.deliveries(store.reader, state=DeliveryState.HELD).deliveries == []
    assert len(triggers.deliveries(store.reader, since_at=clock.now() - HOUR).deliveries) == 1
    expected = page.deliveries[0].id
    assert triggers.delivery(store.reader, expected[:-2]).id == expected
    with pytest.raises(NotFoundError):
        triggers.delivery(store.reader, "d_nothing")
    with pytest.raises(ConflictError):
        triggers.delivery(store.reader, "d_")


def test_held_deliveries_are_counted_by_key(store, clock):
    """Groups with their number and due time, the first that is due first; what a pace would look at."""
    flow_control = FlowControl(batch=10, within=60_000)
    for key, by in (("k1", "x"), ("k2", "x"), ("k3", "y")):
        accept(store, key, pace=flow_control, by=by)
        clock.forward(1_000)
    groups = triggers.held_groups(store.reader, HOOK)
    assert [(group.by_key, group.number) for group in groups] == [("x", 2), ("y", 1)]
    assert groups[0].due_at < groups[1].due_at
    held, mark = triggers.flow_control_state(store.reader, HOOK, "x")
    assert (held.number, mark.counted_at) == (2, clock.now() - 2_000)
    assert triggers.flow_control_state(store.reader, HOOK, "none") == (HeldDeliveries(), FlowControlState())


def test_run_names_the_deliveries_that_started_it(store):
    """All of a batch, oldest first; a key names its delivery, a run key its run."""
    flow_control = FlowControl(batch=2, within=60_000)
    ids = [accept(store, key, pace=flow_control).delivery for key in ("k1", "k2")]
    command = releasing(store, flow_control, *ids, start=store.starting(run_key=RunKey("batch-7", "h")))
    store.do(command)
    assert [row.id for row in triggers.delivered_for(store.reader, command.start.id)] == ids
    assert triggers.delivery_of_key(store.reader, HOOK, "k2") == ids[1]
    assert triggers.delivery_of_key(store.reader, HOOK, "k3") is None
    assert triggers.run_of_key(store.reader, "a", "batch-7", store.clock.now()) == command.start.id
    assert triggers.run_of_key(store.reader, "a", "batch-8", store.clock.now()) is None


def test_undecided_delivery_has_its_time(store, clock):
    """Of each trigger its oldest; what is decided does not wait."""
    started_at = clock.now()
    accepted = accept(store, "k1", filtered=True, start=None)
    clock.forward(HOUR)
    accept(store, "k2", filtered=True, start=None)
    assert triggers.undecided_since(store.reader, filtered=True) == {HOOK: started_at}
    assert triggers.undecided_since(store.reader, filtered=False) == {}
    store.do(deciding(store, accepted.delivery))
    assert triggers.undecided_since(store.reader, filtered=True) == {HOOK: started_at + HOUR}


def test_event_leads_to_what_it_became(store):
    """The deliveries of those that listened for it and whose condition its data met; of another event nothing."""
    store.do(announced(hook(), on_event("b", where='{"kind":"book"}'), on_event("c"), names=("a", "b", "c")))
    store.do(event("paid", b'{"kind":"toy"}', id="e_1"))
    assert [row.trigger for row in triggers.deliveries_of_event(store.reader, "e_1", "paid")] == ["c/event"]
    store.do(event("paid", b'{"kind":"book"}', id="e_2"))
    found = triggers.deliveries_of_event(store.reader, "e_2", "paid")
    assert [(row.trigger, row.key, row.state) for row in found] == [
        ("b/event", "e_2", DeliveryState.RECEIVED),
        ("c/event", "e_2", DeliveryState.RECEIVED),
    ]
    assert triggers.deliveries_of_event(store.reader, "e_9", "paid") == []


def test_rare_deliveries_are_searched_in_parts(store):
    """A page looks at so many and no more, and continues where it ended, until nothing is left."""
    for n in range(7):
        accept(store, f"k{n}", **({"refused": "no"} if n == 1 else {}))
    cursor, pages = None, []
    while True:
        page = triggers.deliveries(store.reader, state=DeliveryState.REFUSED, cursor=cursor, at_most=3)
        pages.append([row.key for row in page.deliveries])
        cursor = page.cursor
        if cursor is None:
            break
    assert pages == [[], ["k1"], []]
    assert triggers.deliveries(store.reader, state=DeliveryState.REFUSED).cursor is None
