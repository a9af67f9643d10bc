"""Status of the rollback of a run: which steps are undone, which can be, and what that means for a retry. Pure."""

from typing import Final

from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import REOPENABLE_STATES, OutcomeState
from mainspring.store.views import RunHistory

_WORK: Final = frozenset({OutcomeKind.STEP, OutcomeKind.CHILD, OutcomeKind.START})
_NOTHING: Final = frozenset({OutcomeState.FAILED, OutcomeState.CANCELLED})


def list_undone(history: RunHistory) -> list[Outcome]:
    """Return the steps that were undone since they last ran, in the order of requests."""
    counted = _list_counting(history)
    undone = {o.ident for o in counted if o.kind is OutcomeKind.UNDO and o.state is OutcomeState.SUCCEEDED}
    return _sort_by_request([o for o in counted if f"undo:{o.ident}" in undone])


def has_undo_left(history: RunHistory) -> bool:
    """Whether a step that is done, or in doubt, has an undo that was not called."""
    undone_idents = {outcome.ident for outcome in list_undone(history)}
    return any(
        o.undo is not None and o.kind in _WORK and o.state not in _NOTHING and o.ident not in undone_idents
        for o in _list_counting(history)
    )


def list_repeated(history: RunHistory, ident: str | None = None) -> list[Outcome]:
    """Return the steps that a retry (from `ident`) would run again, because they or earlier ones were undone.

    Empty if nothing was undone, or if the retry would continue the rollback.
    """
    run, undone = history.run, list_undone(history)
    counted = _list_counting(history)
    stopped = next((outcome for outcome in counted if outcome.ident == (ident or run.failed_ident)), None)
    undoes = stopped.kind is OutcomeKind.UNDO if stopped is not None else run.undoing
    if not undone or undoes or run.state not in REOPENABLE_STATES:
        return []
    first = min(o.request_number for o in counted if o.ident == ident or o in undone)
    return _sort_by_request(
        [o for o in counted if o.kind in _WORK and o.request_number >= first and o.state not in _NOTHING]
    )


def _list_counting(history: RunHistory) -> list[Outcome]:
    return [outcome for outcome in history.outcomes if outcome.superseded is None]


def _sort_by_request(outcomes: list[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.request_number)
