"""History of runs for a worker: the data to resume a run, and new facts of the runs it owns."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.processes.stall import Stall
from mainspring.domain.processes.worker_loss import LossDetection, WorkerLoss
from mainspring.domain.runs.journal import (
    AttemptRecord,
    Checkpoint,
    Fact,
    FactKind,
    History,
    Outcome,
    OutcomeKind,
    RejectedFact,
)
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.base import StoreReader

_ROW_BYTES = 500  # of an outcome in memory, without its values
_FAILURE = msgspec.json.Decoder(Failure)
_KINDS = {member.value: member for member in OutcomeKind}
_STATES = {member.value: member for member in OutcomeState}


def failure_of(data: bytes | None) -> Failure | None:
    """Return the failure stored in a row."""
    return None if data is None else _FAILURE.decode(data)


def histories(reader: StoreReader, runs: Sequence[str], about_bytes: int) -> list[History]:
    """Return the data to resume runs, from one commit's view: of the first ones, up to about so many bytes of saved
    outcomes.
    """
    with reader.snapshot() as read:
        sizes = {run: rows * _ROW_BYTES + size for run, rows, size in read("measure_journals_of", (json.dumps(runs),))}
        histories_by_run = {run: History([], [], {}, [], []) for run in _first_of(runs, sizes, about_bytes)}
        params = (json.dumps(list(histories_by_run)),)
        for run, *row in read("list_outcomes_of", params):
            outcome = outcome_of(row)
            (histories_by_run[run].outcomes if outcome.superseded is None else histories_by_run[run].superseded).append(
                outcome
            )
        for run, *row in read("list_open_attempts_of", params):
            attempt = attempt_of(row)
            (histories_by_run[run].attempts if attempt.superseded is None else histories_by_run[run].ordered).append(
                attempt
            )
        for run, *row in read("list_checkpoints_of", params):
            histories_by_run[run].checkpoints[row[0]] = Checkpoint(*row)
        for run, old, new in read("list_step_renames_of", params):
            histories_by_run[run].renames[old] = new
        for run, ident in read("list_unfinished_children_of", params):
            histories_by_run[run].children.append(ident)
        for fact in map(fact_of, read("list_facts_of", params)):
            histories_by_run[fact.run].facts.append(fact)
    return list(histories_by_run.values())


def _first_of(runs: Sequence[str], sizes: dict[str, int], about_bytes: int) -> Iterator[str]:
    """Yield the first runs, up to the one that reaches the bound."""
    size = 0
    for run in runs:
        yield run
        size += sizes.get(run, 0)
        if size >= about_bytes:
            return


def facts_after(reader: StoreReader, session: int, seq: int) -> list[Fact]:
    """Return facts newer than `seq` in the inboxes of the runs this session owns."""
    return [fact_of(row) for row in reader.read("list_facts_after", (session, seq))]


def fact_of(row: tuple[Any, ...]) -> Fact:
    """Return the fact of a row of `inbox`: seq, run, kind, name, at, ident, payload, failure, source."""
    seq, run, kind, name, at, ident, payload, failure, source = row
    return Fact(seq, run, FactKind(kind), name, at, ident, payload, failure_of(failure), source)


def rejected_of(row: tuple[Any, ...]) -> RejectedFact:
    """Return the rejected fact of a row of `list_rejected_facts`."""
    seq, run, kind, name, at, _ident, payload, failure, _source, rejected_at = row
    return RejectedFact(seq, run, FactKind(kind), name, at, rejected_at, _FAILURE.decode(failure), payload)


def loss_of(row: tuple[Any, ...]) -> WorkerLoss:
    """Return the worker loss of a row of `list_worker_losses`."""
    values = list(row)
    values[8] = LossDetection(values[8])
    return WorkerLoss(*values)


def outcome_of(row: Sequence[Any]) -> Outcome:
    """Return the outcome of a row of `list_outcomes_of`, without its run."""
    values = list(row)
    values[3], values[4], values[13] = _KINDS[values[3]], _STATES[values[4]], failure_of(values[13])
    return Outcome(*values)


def stall_of(row: Sequence[Any]) -> Stall:
    """Return the stalled attempt of a row of `list_stalled_attempts_of`."""
    run, ident, step, attempt, since_at, stack = row
    return Stall(run, ident, step, attempt, since_at, msgspec.json.decode(stack, type=tuple[str, ...]))


def attempt_of(row: Sequence[Any]) -> AttemptRecord:
    """Return the attempt of a row of `list_open_attempts_of`, without its run."""
    (
        ident,
        name,
        generation,
        attempt,
        state,
        request_order,
        started_at,
        ended_at,
        next_at,
        failure,
        encoded_input,
        undo,
        *superseded,
    ) = row
    return AttemptRecord(
        *(ident, name, generation, attempt, AttemptState(state), request_order, started_at, ended_at, next_at),
        *(failure_of(failure), encoded_input, undo, *superseded),
    )
