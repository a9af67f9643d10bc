"""Decisions on a run in sentences: who gave a result in place of the code, and what settled a failure. Pure."""

from typing import Final

from msgspec.structs import replace

from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState
from mainspring.insight.runs.steps import label_step
from mainspring.insight.text.formatting import escape_line, format_distance
from mainspring.store.read.run_decisions import ManualResult, RunDecisions, RunSettlement
from mainspring.store.views import BlockedCall, RunHistory

_REASON: Final = 300
_MAX_LISTED: Final = 5
_BY_SUCCESS: Final = frozenset({Settlement.ITEM_SUCCEEDED, Settlement.AUTOMATION_SUCCEEDED})


def is_settled_by_success(settlement: RunSettlement | None) -> bool:
    """Whether a later run did the work of this one."""
    return settlement is not None and settlement.how in _BY_SUCCESS


def describe_settlement(settlement: RunSettlement, automation: str, now: int) -> str:
    """Return what settled a failed run as a sentence."""
    when = "" if settlement.at is None else f" {format_distance(settlement.at, now)}"
    by = escape_line(settlement.by or "a person", 200)
    match settlement.how:
        case Settlement.ITEM_SUCCEEDED | Settlement.AUTOMATION_SUCCEEDED:
            subject = "the same item" if settlement.how is Settlement.ITEM_SUCCEEDED else automation
            later = f"run {settlement.by}, a later run of {subject}," if settlement.by else f"a later run of {subject}"
            return f"It is settled: {later} succeeded{when}."
        case Settlement.DISCARDED:
            return f"It is settled: {by} discarded it{when}{reason_suffix(settlement.reason)}."
        case Settlement.RESOLVED:
            return f"It is settled: {by} resolved its incident{when}."
        case _:
            return "It counts as settled: it failed before Mainspring recorded what settles a failure."


def remove_names(decisions: RunDecisions) -> RunDecisions:
    """Return the decisions for the holder of a link, without names of persons and other runs."""
    settlement = decisions.settlement
    return RunDecisions(
        settlement=None if settlement is None else replace(settlement, by=None, reason=None),
        successor=None if decisions.successor is None else "",
        is_undecided=decisions.is_undecided,
    )


def remove_holder(call: BlockedCall) -> BlockedCall:
    """Return a blocked call without the names of the run that has the effect."""
    return replace(call, owner="another run", automation=None, run=None, run_state=None)


def find_mark_done(given: list[ManualResult]) -> ManualResult | None:
    """Return the decision that declared the whole run done; None = its code ended it."""
    return next((result for result in given if result.ident is None), None)


def list_given_results(history: RunHistory, given: list[ManualResult]) -> list[ManualResult]:
    """Return the given results that the run uses, without those of steps that ran again later."""
    return [result for result in given if result.ident is not None and _is_used(history.outcomes, result)]


def _is_used(outcomes: list[Outcome], given: ManualResult) -> bool:
    """Whether the first outcome of the step since the decision is the one that counts."""
    since = [
        outcome
        for outcome in outcomes
        if outcome.ident == given.ident and (outcome.superseded is None or outcome.at >= given.at)
    ]
    first = min(since, key=lambda outcome: outcome.rank, default=None)
    return first is not None and first.superseded is None and first.state is OutcomeState.SUCCEEDED


def describe_given_results(history: RunHistory, given: list[ManualResult], now: int) -> list[str]:
    """Return a sentence for each step with a given result, newest first, and how many more there are."""
    used = list_given_results(history, given)
    names = {outcome.ident: label_step(outcome.ident, outcome.name) for outcome in history.outcomes}
    lines = [
        f"{escape_line(result.by, 200)} set the result of step {escape_line(names[result.ident or ''])} "
        f"{format_distance(result.at, now)}{reason_suffix(result.reason)}; the step did not return it."
        for result in used[:_MAX_LISTED]
    ]
    more = len(used) - _MAX_LISTED
    return [*lines, f"{more} more results were set by hand."] if more > 0 else lines


def reason_suffix(reason: str | None) -> str:
    """Return a person's reason as the end of a sentence."""
    return f": {escape_line(reason, _REASON).rstrip('.')}" if reason else ""
