"""Superseded outcomes, which a plain retry no longer counts: pure functions over the counted outcomes of a run.

Outcomes that succeeded and had, or may have had, an effect stay counted: steps, undos, children, and those in doubt. No longer counted
are the failures that led to the end, a received stop (cancel, deadline), requests that were cancelled afterwards, and the timers,
messages and answers that were requested in the same branch after such a failure: the pause or question that followed a failure does not
answer the one that follows success.
"""

from collections.abc import Collection, Sequence

import msgspec

from mainspring.domain.runs.journal import STOP_KINDS, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.text.lazy_pattern import lazy_pattern

_EFFECT_KINDS = frozenset({OutcomeKind.STEP, OutcomeKind.UNDO, OutcomeKind.CHILD, OutcomeKind.START})
_BRANCH = lazy_pattern(r"(?:[^/\[]+#\d+/)*")
"""Branches at the start of an identity; a key, which is in brackets at its end, may contain anything."""


class CountedOutcome(msgspec.Struct, frozen=True, array_like=True):
    """The fields of a counted outcome that matter here."""

    rank: int
    ident: str
    kind: OutcomeKind
    state: OutcomeState
    requested_after: int


def read_branch(ident: str) -> str:
    """Return the branch in which a request was made; "" is the body's own."""
    match = _BRANCH.match(ident)
    return match.group() if match is not None else ""


def find_superseded_ranks(counted: Sequence[CountedOutcome], failing: Collection[str]) -> list[int]:
    """Return the ranks of the outcomes that no longer count when a run is resumed; `failing` = the failed requests that led to its end."""
    causes = [
        outcome
        for outcome in counted
        if outcome.kind in STOP_KINDS or (outcome.ident in failing and outcome.state is OutcomeState.FAILED)
    ]
    if not causes:
        return []
    first = causes[0].rank
    ranks = {outcome.rank for outcome in causes}
    lines = [(outcome.rank, "" if outcome.kind in STOP_KINDS else read_branch(outcome.ident)) for outcome in causes]
    for outcome in counted:
        if outcome.state is OutcomeState.CANCELLED:
            follows = outcome.rank > first
        else:
            follows = outcome.kind not in _EFFECT_KINDS and _is_same_line(outcome, lines)
        if follows:
            ranks.add(outcome.rank)
    return sorted(ranks)


def _is_same_line(outcome: CountedOutcome, lines: Sequence[tuple[int, str]]) -> bool:
    """Return whether it was requested after one of these, in its branch, in one above it or in one below."""
    branch = read_branch(outcome.ident)
    return any(
        outcome.requested_after >= rank and (branch.startswith(line) or line.startswith(branch)) for rank, line in lines
    )
