"""Paths of runs: the steps of an automation's newest runs, in order, and their ends. No value is read."""

import json
from typing import Final

import msgspec

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.base import StoreReader

RUNS: Final = 50
OUTCOMES: Final = 100
_STATES = {state.value: state for state in RunState}
_KINDS = {kind.value: kind for kind in OutcomeKind}
_ENDS = {state.value: state for state in OutcomeState}


class PathOutcome(msgspec.Struct, frozen=True):
    """An outcome that counts. `requested_after` = the last rank that the body had received before the request."""

    rank: int
    ident: str
    name: str
    kind: OutcomeKind
    state: OutcomeState
    requested_after: int


class RunPath(msgspec.Struct, frozen=True):
    """A run that ended or needs a person. `failed_ident` = the request that ended it, `error` = its fingerprint.

    `is_cut` = more outcomes are stored than were read.
    """

    run: str
    state: RunState
    failed_ident: str | None
    error: str | None
    passed: list[PathOutcome]
    is_cut: bool = False


def read_run_paths(reader: StoreReader, name: str) -> list[RunPath]:
    """Return the newest 50 runs of the automation, newest first, each with its first 100 outcomes."""
    with reader.snapshot() as read:
        ends = read("list_last_run_ends", (name, RUNS))
        outcomes: dict[str, list[PathOutcome]] = {run: [] for run, *_ in ends}
        cut = set()
        for run, rank, ident, step, kind, state, after_rank, counts in read(
            "list_first_outcomes_of", (json.dumps(list(outcomes)), OUTCOMES + 1)
        ):
            if rank > OUTCOMES:
                cut.add(run)
            elif counts:
                outcomes[run].append(PathOutcome(rank, ident, step, _KINDS[kind], _ENDS[state], after_rank))
    return [RunPath(run, _STATES[state], ident, error, outcomes[run], run in cut) for run, state, ident, error in ends]
