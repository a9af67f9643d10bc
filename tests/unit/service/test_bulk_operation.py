"""Acts on many runs that are on record."""

import pytest

from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb
from mainspring.domain.states import BulkMove, BulkState, RunState
from mainspring.domain.time.rate import parse_rate
from mainspring.service import bulk_operation
from mainspring.service.runs import bulk
from mainspring.service.runs.run_selection import RunFilter, RunSelection, select_runs
from mainspring.store.commands.bulk_operations import LeaseBulkBatch
from mainspring.store.read.bulk_operations import read_bulk_operation
from tests.contract.store.process import fail, halt
from tests.unit.service.conftest import rows_of


@pytest.fixture
def runs(store, begin):
    """Three failed runs, one halted, one running."""
    made = [begin() for _ in range(5)]
    for run in made[:3]:
        store.apply(fail(run))
    store.apply(halt(made[3]))
    return [run.id for run in made]


def ask(store, act, runs, verb=BulkVerb.RETRY, rate=None):
    selection = RunSelection(tuple(runs), ("backup",))
    return bulk_operation.start_bulk_operation(store, verb, selection, {"name": "backup"}, act=act, rate=rate)


def do_all(store):
    while bulk_operation.run_next_piece(store):
        pass


def test_operation_is_done_later_and_each_run_is_audited(store, reads, act, runs):
    """Nothing happens when it is asked for; then each run has its row under a command id made of the whole one, by who asked."""
    id = ask(store, act("all", reason="mended"), runs[:4])
    assert id == "all"
    assert reads.run_history(runs[0]).run.state is RunState.FAILED
    do_all(store)
    view = read_bulk_operation(store.reader, id)
    assert (view.state, view.done, view.refused, view.reason) == (BulkState.DONE, 4, 0, "mended")
    assert {reads.run_history(run).run.state for run in runs[:4]} == {RunState.QUEUED}
    rows = [row for row in reads.audit_rows(limit=50) if row.subject == f"run:{runs[0]}" and row.verb == "retry"]
    assert [(row.command, row.actor, row.reason) for row in rows] == [(f"all/{runs[0]}", "cli:ann@box", "mended")]


def test_operation_requested_twice_is_one(store, reads, act, runs):
    """Also if its runs would be others by now."""
    ask(store, act("all"), runs[:4])
    do_all(store)
    ask(store, act("all"), runs[:1])
    do_all(store)
    assert read_bulk_operation(store.reader, "all").total == 4
    assert rows_of(reads).count(("retry", "bulk:all")) == 1


def test_piece_of_a_dead_process_is_done_once(store, clock, reads, act, runs):
    """It took the piece and acted on one run: the next one acts on the others, and counts all."""
    ask(store, act("all"), runs[:3])
    piece = store.apply(LeaseBulkBatch("dead", bulk_operation.LEASE_MS))
    bulk.retry_each(store, piece.parts[:1], act=act("all"))
    assert not bulk_operation.run_next_piece(store)
    clock.forward(bulk_operation.LEASE_MS)
    do_all(store)
    assert read_bulk_operation(store.reader, "all").done == 3
    assert sorted(rows_of(reads)) == sorted([("retry", "bulk:all"), *(("retry", f"run:{run}") for run in runs[:3])])


def test_refused_run_does_not_keep_the_others(store, reads, act, runs):
    """Why is kept beside it."""
    ask(store, act("all"), runs[2:], BulkVerb.DISCARD)
    do_all(store)
    view = read_bulk_operation(store.reader, "all")
    assert (view.state, view.done, view.refused) == (BulkState.DONE, 2, 1)
    assert reads.run_history(runs[3]).run.state is RunState.FAILED


def test_rate_is_kept(store, clock, act, runs):
    """One a second, however often someone looks."""
    ask(store, act("all"), runs[:3], rate=parse_rate("60/m"))
    done = []
    for _ in range(4):
        do_all(store)
        done.append(read_bulk_operation(store.reader, "all").done)
        clock.forward(1_000)
    assert done == [1, 2, 3, 3]


def test_people_move_it(store, act, runs):
    """What fits its state is done and on record; the rest is refused."""
    ask(store, act("all"), runs[:3])
    bulk_operation.control_bulk_operation(store, "all", BulkMove.PAUSE, act=act())
    do_all(store)
    assert read_bulk_operation(store.reader, "all").done == 0
    with pytest.raises(ConflictError, match="paused"):
        bulk_operation.control_bulk_operation(store, "all", BulkMove.PAUSE, act=act())
    bulk_operation.control_bulk_operation(store, "all", BulkMove.RESUME, act=act())
    do_all(store)
    assert read_bulk_operation(store.reader, "all").state is BulkState.DONE
    with pytest.raises(NotFoundError):
        bulk_operation.control_bulk_operation(store, "nope", BulkMove.STOP, act=act())


def test_nothing_and_too_much_are_refused(store, act):
    """Before anything is on record."""
    with pytest.raises(ArgumentError, match="no run matches"):
        ask(store, act("all"), [])
    with pytest.raises(ArgumentError, match="more than"):
        ask(store, act("all"), [f"r_{n}" for n in range(MAX_BULK_PARTS + 1)])
    assert read_bulk_operation(store.reader, "all") is None


def test_choice_keeps_to_what_is_seen(reads, runs):
    """Runs of other automations are for this visitor as if they were not there."""
    expected = RunFilter(states=bulk.RETRYABLE)
    assert select_runs(reads, expected).automations == ("backup",)
    assert select_runs(reads, expected, lambda _: False) == RunSelection((), ())
