"""Outcome of a run at a fixed age: what a rollout counts of it. Pure.

Each run is read at the same age after its start, whatever it did. So runs count in the order of their starts, and
there are never more failures in the count only because failures end sooner than successes.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from mainspring.domain.states import RunState

_AGE_PERCENT = 95


class RunOutcomeKind(StrEnum):
    """The state of a run at the age at which it counts."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Failed, or needs attention: it cannot continue by itself."""
    NOT_ENDED = "not_ended"


class RunOutcome(msgspec.Struct, frozen=True):
    """A run that counts. Instants and durations are ms; `is_new` = it ran on the new version.

    `key` = the key whose bucket gave the run its side, or its hash. With rollout_by="run" it is the id of the run.
    `numbers` = the watched measurements of the run, by name.
    """

    run_id: str
    key: str
    started_at: int
    is_new: bool
    kind: RunOutcomeKind
    duration_ms: int | None = None
    numbers: Mapping[str, float] = {}


def read_kind(state: RunState, settled_at: int | None, counts_at: int) -> RunOutcomeKind | None:
    """Return what a run was at the instant at which it counts, also if this is read later; None = it does not count.

    `settled_at` = since when it is in `state`. A run that was cancelled or paused before that instant says nothing about its version.
    """
    if settled_at is None or settled_at > counts_at:
        return RunOutcomeKind.NOT_ENDED
    match state:
        case RunState.SUCCEEDED:
            return RunOutcomeKind.SUCCEEDED
        case RunState.FAILED | RunState.NEEDS_ATTENTION:
            return RunOutcomeKind.FAILED
        case RunState.CANCELLED | RunState.PAUSED:
            return None
    return RunOutcomeKind.NOT_ENDED


def choose_age(durations_ms: Iterable[int]) -> int | None:
    """Return the age at which runs count: the 95th percentile of the old version's durations; None if there are none."""
    ordered = sorted(durations_ms)
    return ordered[-(-len(ordered) * _AGE_PERCENT // 100) - 1] if ordered else None
