"""Which deliveries a replay of many is for, and that each arrives once more once."""

import pytest

from mainspring.domain.ids import make_id
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState, DeliveryState
from mainspring.domain.time.rate import parse_rate
from mainspring.service import bulk_operation
from mainspring.service.actor import OperationContext
from mainspring.service.runs.run_selection import RunSelection
from mainspring.service.triggers.delivery_replay import replay_delivery
from mainspring.service.triggers.delivery_selection import DeliveryFilter, select_deliveries
from mainspring.store.commands.bulk_operations import LeaseBulkBatch
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.read.bulk_operations import bulk_parts, read_bulk_operation
from mainspring.store.read.triggers import deliveries
from tests.contract.store.deliveries import accepting, announced, hook
from tests.unit.service.conftest import ACTOR, rows_of

TRIGGER = "backup/webhook"


class StoredDeliveries:
    """Lets things arrive for a webhook of `backup`."""

    def __init__(self, store, clock):
        self.store, self.clock, self.number = store, clock, 0
        store.apply(announced(hook("backup", "/in"), hook("other", "/other"), names=("backup", "other")))

    def name(self, prefix):
        self.number += 1
        return make_id(prefix, self.clock.now(), self.number)

    def arrive(self, trigger=TRIGGER, **options):
        """Accept one that no run can be started for; return its id."""
        values = {"start": None, "id": self.name("d"), "trigger": trigger}
        made = accepting(self, self.name("k"), **(values | options))
        self.store.apply(made)
        return made.id

    def reject(self):
        """Refuse one at intake; return its id."""
        made = RejectDelivery(id=self.name("d"), trigger=TRIGGER, why="bad_signature", note="another", body=b"x")
        self.store.apply(made)
        return made.id

    def listed(self):
        return deliveries(self.store.reader, limit=500).deliveries


@pytest.fixture
def stored_deliveries(store, clock):
    return StoredDeliveries(store, clock)


def ask(store, act, ids, rate=None):
    return bulk_operation.start_bulk_operation(
        store, BulkVerb.REPLAY, RunSelection(tuple(ids), ("backup",)), {}, act=act, rate=rate
    )


def do_all(store):
    while bulk_operation.run_next_piece(store):
        pass


def test_filter_chooses_oldest_first(store, clock, stored_deliveries):
    """By trigger, state, span, what the verifier said, and of what is seen; at most its limit of the newest."""
    first = stored_deliveries.arrive(verified="github")
    clock.forward(1_000)
    second = stored_deliveries.arrive(refused="no such field")
    clock.forward(1_000)
    other = stored_deliveries.arrive("other/webhook")

    def chosen(is_visible=lambda _: True, **expected):
        return select_deliveries(store.reader, DeliveryFilter(**expected), is_visible)

    assert chosen() == RunSelection((first, second, other), ("backup", "other"))
    assert chosen(trigger=TRIGGER).ids == (first, second)
    assert chosen(state=DeliveryState.REFUSED).ids == (second,)
    assert chosen(verified="github").ids == (first,)
    assert chosen(since_at=clock.now() - 1_000, until_at=clock.now()).ids == (second,)
    assert chosen(limit=1).ids == (other,)
    assert chosen(lambda name: name == "backup") == RunSelection((first, second), ("backup",))
    assert chosen(lambda name: name == "backup", trigger="other/webhook") == RunSelection((), ())


def test_delivery_that_cannot_be_replayed_is_skipped_and_counted(store, act, clock, stored_deliveries):
    """Rejected at intake, above all by its signature; not decided on; come once more already, for its repeat stands for it."""
    stored_deliveries.reject()
    stored_deliveries.arrive(filtered=True)
    accepted = stored_deliveries.arrive()
    replay_delivery(store, clock.now(), accepted, act=act("once"))
    fresh = stored_deliveries.arrive()
    assert select_deliveries(store.reader, DeliveryFilter()) == RunSelection((fresh,), ("backup",), 4)
    assert select_deliveries(store.reader, DeliveryFilter(verified="bad_signature")) == RunSelection((), (), 1)


def test_delivery_over_the_limit_is_not_counted_as_skipped(store, stored_deliveries):
    """Of the newest so many it learns what is left out among them, not of all that was read besides."""
    stored_deliveries.reject()
    older = stored_deliveries.arrive()
    stored_deliveries.reject()
    newest = stored_deliveries.arrive()
    assert select_deliveries(store.reader, DeliveryFilter(limit=1)) == RunSelection((newest,), ("backup",))
    assert select_deliveries(store.reader, DeliveryFilter(limit=2)) == RunSelection((older, newest), ("backup",), 1)
    assert select_deliveries(store.reader, DeliveryFilter(limit=3)) == RunSelection((older, newest), ("backup",), 2)


def test_each_arrives_once_more_and_is_on_record(store, reads, act, stored_deliveries):
    """As a delivery of its own, which names the one that it repeats; by who asked and why, under an id made of the whole and its own."""
    ids = [stored_deliveries.arrive() for _ in range(3)]
    ask(store, act("all", reason="mended"), ids)
    assert len(stored_deliveries.listed()) == 3
    do_all(store)
    view = read_bulk_operation(store.reader, "all")
    assert (view.state, view.done, view.refused) == (BulkState.DONE, 3, 0)
    assert sorted(delivery.replay_of for delivery in stored_deliveries.listed() if delivery.replay_of) == sorted(ids)
    rows = [row for row in reads.audit_rows(limit=50) if row.subject == f"delivery:{ids[0]}"]
    assert [(row.command, row.verb, row.actor, row.reason) for row in rows] == [
        (f"all/{ids[0]}", "replay", str(ACTOR), "mended")
    ]


def test_piece_of_a_dead_process_replays_nothing_twice(store, clock, reads, act, stored_deliveries):
    """It let one arrive once more and died: the next one lets the others, and counts all."""
    ids = [stored_deliveries.arrive() for _ in range(3)]
    ask(store, act("all"), ids)
    piece = store.apply(LeaseBulkBatch("dead", bulk_operation.LEASE_MS))
    replay_delivery(store, piece.at, ids[0], act=OperationContext(ACTOR, None, "all").part(ids[0]))
    clock.forward(bulk_operation.LEASE_MS)
    do_all(store)
    assert read_bulk_operation(store.reader, "all").done == 3
    assert sorted(delivery.replay_of for delivery in stored_deliveries.listed() if delivery.replay_of) == sorted(ids)
    assert rows_of(reads).count(("replay", f"delivery:{ids[0]}")) == 1


def test_refused_signature_is_never_replayed(store, act, stored_deliveries):
    """Not even where it is asked for by its id: it is refused, with the reason beside it."""
    away, fine = stored_deliveries.reject(), stored_deliveries.arrive()
    ask(store, act("all"), [away, fine])
    do_all(store)
    view = read_bulk_operation(store.reader, "all")
    assert (view.done, view.refused) == (1, 1)
    (part,) = bulk_parts(store.reader, view, refused=True)
    assert (part.id, "was rejected" in part.reason) == (away, True)
    assert [delivery.replay_of for delivery in stored_deliveries.listed() if delivery.replay_of] == [fine]


def test_rate_is_kept(store, clock, act, stored_deliveries):
    """One a second, however often someone looks."""
    ask(store, act("all"), [stored_deliveries.arrive() for _ in range(3)], parse_rate("60/m"))
    done = []
    for _ in range(4):
        do_all(store)
        done.append(read_bulk_operation(store.reader, "all").done)
        clock.forward(1_000)
    assert done == [1, 2, 3, 3]
