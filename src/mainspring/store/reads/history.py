"""What a worker reads of runs: the history that continues one, and facts that came for those it owns."""

from typing import Any

import msgspec

from mainspring.domain.failure import Failure
from mainspring.domain.journal import AttemptRecord, Checkpoint, Fact, FactKind, History, Outcome, OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.base import Reader

_FAILURE = msgspec.json.Decoder(Failure)
_KINDS = {member.value: member for member in OutcomeKind}
_STATES = {member.value: member for member in OutcomeState}


def failure_of(data: bytes | None) -> Failure | None:
    """Return the failure kept in a row."""
    return None if data is None else _FAILURE.decode(data)


def history(reader: Reader, run: str) -> History:
    """Return all that is needed to continue a run, from one commit's view."""
    with reader.snapshot() as read:
        outcomes = [outcome_of(row) for row in read("read_history_outcomes", (run,))]
        attempts = [attempt_of(row) for row in read("read_history_attempts", (run,))]
        checkpoints = {row[0]: Checkpoint(*row) for row in read("read_checkpoints", (run,))}
        facts = [fact_of(row) for row in read("read_inbox", (run,))]
    counted = [outcome for outcome in outcomes if outcome.superseded is None]
    superseded = [outcome for outcome in outcomes if outcome.superseded is not None]
    return History(counted, attempts, checkpoints, facts, superseded)


def facts_after(reader: Reader, session: int, seq: int) -> list[Fact]:
    """Return facts newer than `seq` in the inboxes of the runs this session owns."""
    return [fact_of(row) for row in reader.read("facts_after", (session, seq))]


def fact_of(row: tuple[Any, ...]) -> Fact:
    """Make a fact of a row of `inbox`: seq, run, kind, name, at, ident, payload, failure, source."""
    seq, run, kind, name, at, ident, payload, failure, source = row
    return Fact(seq, run, FactKind(kind), name, at, ident, payload, failure_of(failure), source)


def outcome_of(row: tuple[Any, ...]) -> Outcome:
    """Make an outcome of a row of `read_history_outcomes`."""
    values = list(row)
    values[3], values[4], values[13] = _KINDS[values[3]], _STATES[values[4]], failure_of(values[13])
    return Outcome(*values)


def attempt_of(row: tuple[Any, ...]) -> AttemptRecord:
    """Make an attempt of a row of `read_history_attempts`."""
    ident, name, generation, attempt, state, asked, started_at, ended_at, next_at, failure, given, undo = row
    return AttemptRecord(
        *(ident, name, generation, attempt, AttemptState(state), asked, started_at, ended_at, next_at),
        *(failure_of(failure), given, undo),
    )
