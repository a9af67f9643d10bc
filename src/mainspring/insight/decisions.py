"""Decisions on a run in sentences: who gave a result in place of the code, and what settled a failure. Pure."""

from typing import Final

from msgspec.structs import replace

from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState
from mainspring.insight.steps import step_label
from mainspring.insight.words import ago, one_line
from mainspring.store.reads.decisions import ManualResult, RunDecisions, RunSettlement
from mainspring.store.views import RunStory

_REASON: Final = 300
_SHOWN: Final = 5
_BY_SUCCESS: Final = frozenset({Settlement.ITEM_SUCCEEDED, Settlement.AUTOMATION_SUCCEEDED})


def is_settled_by_success(settlement: RunSettlement | None) -> bool:
    """Return whether a later run did the work of this one."""
    return settlement is not None and settlement.how in _BY_SUCCESS


def describe_settlement(settlement: RunSettlement, automation: str, now: int) -> str:
    """Return what settled a failed run as a sentence."""
    when = "" if settlement.at is None else f" {ago(settlement.at, now)}"
    by = one_line(settlement.by or "a person", 200)
    match settlement.how:
        case Settlement.ITEM_SUCCEEDED | Settlement.AUTOMATION_SUCCEEDED:
            of = "the same item" if settlement.how is Settlement.ITEM_SUCCEEDED else automation
            later = f"run {settlement.by}, a later run of {of}," if settlement.by else f"a later run of {of}"
            return f"It is settled: {later} succeeded{when}."
        case Settlement.DISCARDED:
            return f"It is settled: {by} discarded it{when}{because(settlement.reason)}."
        case Settlement.RESOLVED:
            return f"It is settled: {by} resolved its incident{when}."
        case _:
            return "It counts as settled: it failed before Mainspring recorded what settles a failure."


def without_names(decisions: RunDecisions) -> RunDecisions:
    """Return the decisions as a holder of a link may see them: no person and no other run is named."""
    settlement = decisions.settlement
    return RunDecisions(
        settlement=None if settlement is None else replace(settlement, by=None, reason=None),
        successor=None if decisions.successor is None else "",
        is_undecided=decisions.is_undecided,
    )


def declared_done(given: list[ManualResult]) -> ManualResult | None:
    """Return the decision by which the whole run was declared done; None = its code ended it."""
    return next((result for result in given if result.ident is None), None)


def steps_given(story: RunStory, given: list[ManualResult]) -> list[ManualResult]:
    """Return the given results that the run uses: what was given for a step that ran again later no longer counts."""
    return [result for result in given if result.ident is not None and _is_used(story.outcomes, result)]


def _is_used(outcomes: list[Outcome], given: ManualResult) -> bool:
    """Return whether the first outcome of the step since the decision is the one that counts."""
    since = [
        outcome
        for outcome in outcomes
        if outcome.ident == given.ident and (outcome.superseded is None or outcome.at >= given.at)
    ]
    first = min(since, key=lambda outcome: outcome.rank, default=None)
    return first is not None and first.superseded is None and first.state is OutcomeState.SUCCEEDED


def describe_steps_given(story: RunStory, given: list[ManualResult], now: int) -> list[str]:
    """Return a sentence for each step whose result was given, newest first, and how many more there are."""
    used = steps_given(story, given)
    names = {outcome.ident: step_label(outcome.ident, outcome.name) for outcome in story.outcomes}
    lines = [
        f"The result of step {one_line(names[result.ident or ''])} was given by {one_line(result.by, 200)}"
        f" {ago(result.at, now)}{because(result.reason)}; the step did not return it."
        for result in used[:_SHOWN]
    ]
    more = len(used) - _SHOWN
    return [*lines, f"{more} more of its results were given."] if more > 0 else lines


def because(reason: str | None) -> str:
    """Return a person's reason as the end of a sentence."""
    return f": {one_line(reason, _REASON).rstrip('.')}" if reason else ""
