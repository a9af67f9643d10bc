"""Bulk acts, on every store: pieces are taken by one process at a time, counted once, and lost by no death."""

import msgspec
import pytest

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkMove, BulkState
from mainspring.store.commands.automations import ApplyRetention, SetMeta
from mainspring.store.commands.bulk_operations import (
    BeginBulkOperation,
    BulkBatch,
    ChangeBulkOperation,
    LeaseBulkBatch,
    RecordBulkBatch,
)
from mainspring.store.commands.results import DONE, Refused
from mainspring.store.read import bulk_operations
from mainspring.store.restore_hold import HOLD_KEY

LEASE_MS = 5_000
HOUR = 3_600_000
RUNS = ("r_1", "r_2", "r_3", "r_4", "r_5")


def begin(store, id="c_1", *, runs=RUNS, piece=2, every_ms=0):
    command = BeginBulkOperation(
        id=id,
        verb=BulkVerb.RETRY,
        selection=b'{"name":"a"}',
        automations=("a",),
        parts=runs,
        actor="cli:ann@box",
        reason="mended",
        rate=None,
        piece=piece,
        every_ms=every_ms,
    )
    assert store.twice(command) == DONE


def take(store):
    return store.twice(LeaseBulkBatch(store.name("lease"), LEASE_MS))


def note(store, piece, refused=None):
    refused = refused or {}
    done = len(piece.parts) - len(refused)
    noting = RecordBulkBatch(bulk=piece.bulk, reached=piece.reached, to=piece.parts[-1], done=done, refused=refused)
    assert store.twice(noting) == DONE


def bulk_view(store, id="c_1"):
    return bulk_operations.read_bulk_operation(store.reader, id)


def test_pieces_are_done_in_order_to_the_end(store, clock):
    """Each piece holds the next runs; what was refused is reported with its reason; the last one ends the act."""
    begin(store)
    first = take(store)
    assert first == BulkBatch("c_1", BulkVerb.RETRY, "cli:ann@box", "mended", "", ("r_1", "r_2"), clock.now())
    note(store, first, {"r_2": "it is running"})
    second = take(store)
    assert (second.reached, second.parts) == ("r_2", ("r_3", "r_4"))
    note(store, second)
    view = bulk_view(store)
    assert (view.state, view.done, view.refused, view.left) == (BulkState.RUNNING, 3, 1, 1)
    note(store, take(store))
    view = bulk_view(store)
    assert (view.state, view.done, view.refused, view.ended_at) == (BulkState.DONE, 4, 1, clock.now())
    assert take(store) == BulkBatch()
    assert [
        (part.id, part.is_done, part.reason) for part in bulk_operations.bulk_parts(store.reader, view, refused=True)
    ] == [("r_2", False, "it is running")]
    assert [part.id for part in bulk_operations.bulk_parts(store.reader, view, limit=2, cursor="r_3")] == ["r_4", "r_5"]


def test_piece_is_one_process_s_until_its_time_is_over(store, second, clock):
    """Another one finds nothing; when the first has died it takes the same runs, and what the first notes then counts no more."""
    begin(store)
    piece = take(store)
    assert take(second) == BulkBatch()
    clock.forward(LEASE_MS)
    assert take(second) == msgspec.structs.replace(piece, at=clock.now())
    note(second, piece)
    note(store, piece, {"r_1": "late"})
    assert (bulk_view(store).done, bulk_view(store).refused) == (2, 0)


def test_rate_makes_the_next_piece_wait(store, clock):
    """It is due at its time, not before; what was missed while no one worked is not made up for at once."""
    begin(store, every_ms=1_000)
    note(store, take(store))
    assert take(store) == BulkBatch()
    clock.forward(1_000)
    note(store, take(store))
    assert take(store) == BulkBatch()
    assert bulk_view(store).due_at == clock.now() + 1_000


def test_operation_continues_after_the_clock_was_put_back(store, second, clock):
    """It waits neither for its next piece nor for the end of a lease until the clock says so again; its rate is kept from then on."""
    begin(store, every_ms=1_000)
    note(store, take(store))
    clock.forward(1_000)
    lost = take(store)
    clock.forward(-HOUR)
    piece = take(second)
    assert piece == msgspec.structs.replace(lost, at=clock.now())
    assert take(store) == BulkBatch()
    note(second, piece)
    assert bulk_view(store).due_at == clock.now() + 1_000
    assert take(store) == BulkBatch()
    clock.forward(1_000)
    assert take(store).parts == ("r_5",)


def test_people_pause_resume_and_stop(store):
    """A paused act gives no piece; the one that was under way still counts; what is stopped or unknown moves no more."""
    begin(store)
    piece = take(store)
    assert store.do(ChangeBulkOperation("c_1", BulkMove.PAUSE)) == DONE
    note(store, piece)
    assert (bulk_view(store).state, bulk_view(store).done, take(store)) == (BulkState.PAUSED, 2, BulkBatch())
    assert store.do(ChangeBulkOperation("c_1", BulkMove.RESUME)) == DONE
    assert take(store).parts == ("r_3", "r_4")
    assert store.do(ChangeBulkOperation("c_1", BulkMove.STOP)) == DONE
    assert (bulk_view(store).state, take(store)) == (BulkState.STOPPED, BulkBatch())
    for move in (BulkMove.PAUSE, BulkMove.RESUME, BulkMove.STOP):
        assert store.do(ChangeBulkOperation("c_1", move)).code == "wrong_state"
        assert isinstance(store.do(ChangeBulkOperation("c_2", move)), Refused)


def test_resumed_operation_keeps_its_rate(store, clock):
    """Pausing and resuming does not make the next piece due: else pressed often enough it would be the end of any rate."""
    begin(store, every_ms=10_000)
    note(store, take(store))
    due_at = bulk_view(store).due_at
    for move in (BulkMove.PAUSE, BulkMove.RESUME):
        store.do(ChangeBulkOperation("c_1", move))
    assert (bulk_view(store).due_at, take(store)) == (due_at, BulkBatch())
    clock.forward(10_000)
    assert take(store).parts == ("r_3", "r_4")


def test_resumed_operation_does_not_wait_for_a_clock_that_was_put_back(store, clock):
    """What a clock that was ahead wrote counts for no more than one span of the rate."""
    begin(store, every_ms=10_000)
    note(store, take(store))
    store.do(ChangeBulkOperation("c_1", BulkMove.PAUSE))
    clock.forward(-HOUR)
    store.do(ChangeBulkOperation("c_1", BulkMove.RESUME))
    assert bulk_view(store).due_at == clock.now() + 10_000


def test_due_piece_is_known_to_every_process(store, clock):
    """Not while its rate makes it wait, nor while another one has it, nor paused, nor in a store that is held: each would be a commit."""

    def is_due():
        return bulk_operations.is_due(store.reader, clock.now())

    assert not is_due()
    begin(store, every_ms=10_000)
    assert is_due()
    piece = take(store)
    assert not is_due()
    note(store, piece)
    assert not is_due()
    clock.forward(10_000)
    assert is_due()
    store.do(SetMeta(HOLD_KEY, "1"))
    assert not is_due()
    store.do(SetMeta(HOLD_KEY, None))
    store.do(ChangeBulkOperation("c_1", BulkMove.PAUSE))
    assert not is_due()


def test_last_piece_of_a_paused_operation_ends_it(store):
    """Nothing is left to be resumed."""
    begin(store, runs=("r_1",))
    piece = take(store)
    store.do(ChangeBulkOperation("c_1", BulkMove.PAUSE))
    note(store, piece)
    assert bulk_view(store).state is BulkState.DONE


def test_held_store_gives_no_piece(store):
    """A restored store waits for people, also with its bulk acts."""
    begin(store)
    store.do(SetMeta(HOLD_KEY, "1"))
    assert take(store) == BulkBatch()


def test_lists_and_retention(store, clock):
    """Newest first, page by page; what ended long ago is forgotten with its runs, what continues stays."""
    begin(store, "c_1", runs=("r_1",))
    begin(store, "c_2")
    note(store, take(store))
    page = bulk_operations.list_bulk_operations(store.reader, limit=1)
    assert [operation.id for operation in page] == ["c_2"]
    assert [operation.id for operation in bulk_operations.list_bulk_operations(store.reader, cursor=page[-1].seq)] == [
        "c_1"
    ]
    assert bulk_operations.is_due(store.reader, clock.now())
    ended = bulk_view(store, "c_1")
    store.do(ApplyRetention(None, clock.now() + 1, None, None, None))
    assert (bulk_view(store, "c_1"), bulk_view(store, "c_2").id) == (None, "c_2")
    assert bulk_operations.bulk_parts(store.reader, ended) == []


def test_one_operation_is_forgotten_at_a_time(store, clock):
    """Each may have twenty thousand runs: the one that ended first goes first."""
    for id in ("c_1", "c_2"):
        begin(store, id, runs=())
    for left in (["c_2"], []):
        store.do(ApplyRetention(None, clock.now() + 1, None, None, None))
        assert [operation.id for operation in bulk_operations.list_bulk_operations(store.reader)] == left


@pytest.mark.parametrize("runs", [(), ("r_1",)])
def test_operation_on_nothing_is_over_at_once(store, runs):
    """It would wait for a piece that cannot come."""
    begin(store, runs=runs)
    assert bulk_view(store).state is (BulkState.RUNNING if runs else BulkState.DONE)
