"""What of a run was taken back, what may still be, and what that means for continuing it. Pure: it looks at a story."""

from typing import Final

from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import REOPENABLE_STATES, OutcomeState
from mainspring.store.views import RunStory

_WORK: Final = frozenset({OutcomeKind.STEP, OutcomeKind.CHILD})
_NOTHING: Final = frozenset({OutcomeState.FAILED, OutcomeState.CANCELLED})


def list_undone(story: RunStory) -> list[Outcome]:
    """Return the steps that were taken back since they were done last, in the order of asking."""
    counted = _list_counting(story)
    undone = {o.ident for o in counted if o.kind is OutcomeKind.UNDO and o.state is OutcomeState.SUCCEEDED}
    return _sort_by_request([o for o in counted if f"undo:{o.ident}" in undone])


def has_undo_left(story: RunStory) -> bool:
    """Tell whether some step that is done, or in doubt, has an undo that was not called."""
    gone = {outcome.ident for outcome in list_undone(story)}
    return any(
        o.undo is not None and o.kind is OutcomeKind.STEP and o.state not in _NOTHING and o.ident not in gone
        for o in _list_counting(story)
    )


def list_repeated(story: RunStory, ident: str | None = None) -> list[Outcome]:
    """Return what would be done once more, because it or what it stands on was taken back, if the run were continued (from `ident`).

    Empty if nothing was taken back, or if it is the taking back that would be continued.
    """
    run, gone = story.run, list_undone(story)
    counted = _list_counting(story)
    stopped = next((outcome for outcome in counted if outcome.ident == (ident or run.failed_ident)), None)
    undoes = stopped.kind is OutcomeKind.UNDO if stopped is not None else run.undoing
    if not gone or undoes or run.state not in REOPENABLE_STATES:
        return []
    first = min(o.asked for o in counted if o.ident == ident or o in gone)
    return _sort_by_request([o for o in counted if o.kind in _WORK and o.asked >= first and o.state not in _NOTHING])


def _list_counting(story: RunStory) -> list[Outcome]:
    return [outcome for outcome in story.outcomes if outcome.superseded is None]


def _sort_by_request(outcomes: list[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.asked)
