"""The top of a run's page as plain values: what failed and why, what happens next, what can be done. `run_parts.html` draws it anywhere."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.failures.failure import Failure, short_type_name
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.steps import StepLine
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.store.views import RunStory
from mainspring.web.dashboard.runs.available_operations import (
    AvailableOperation,
    OperationChoice,
    list_available_operations,
)
from mainspring.web.pages.status_icons import state_tone

_CAUSES = 5


class ErrorSummary(msgspec.Struct, frozen=True):
    """An error as people read it. `where` = the step, `place` = "jobs.py:6 in charge".

    `causes` = what it was raised from, a line each; `frames` innermost last.
    """

    where: str
    kind: str
    type: str
    message: str
    place: str
    hint: str
    causes: list[str]
    frames: list[str]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that `run_parts.summary` draws. `can` = every command line that helps; `offers` = those of them that are buttons."""

    id: str
    automation: str
    title: str
    state: str
    tone: str
    headline: str
    what: list[str]
    why: list[str]
    next: list[str]
    trouble: ErrorSummary | None
    can: list[SuggestedCommand]
    offers: list[AvailableOperation]
    incident: dict[str, str] | None
    fingerprint: str | None
    is_repeatable: bool
    """Whether it can be run again with changes."""


def build_summary(story: RunStory, told: Explanation, lines: list[StepLine]) -> RunSummary:
    """Return the summary of a run."""
    run = story.run
    return RunSummary(
        id=run.id,
        automation=run.automation,
        title=run.title or run.automation,
        state=str(run.state),
        tone=state_tone(run.state),
        headline=told.what[0],
        what=told.what[1:],
        why=told.why,
        next=told.next,
        trouble=_find_error(story, lines),
        can=told.can,
        offers=list_available_operations(story, told, _list_starting_points(lines)),
        incident=told.incident,
        fingerprint=told.fingerprint,
        is_repeatable=run.kind != DefinitionKind.EXEC and run.parent is None,
    )


def summarize_error(where: str, failure: Failure) -> ErrorSummary:
    """Return an error as people read it."""
    causes, cause = list[str](), failure.cause
    while cause is not None and len(causes) < _CAUSES:
        causes.append(cause.headline)
        cause = cause.cause
    kind = str(failure.kind)
    return ErrorSummary(
        where,
        kind,
        short_type_name(failure.type),
        failure.message,
        failure.place,
        failure.hint or "",
        causes,
        list(failure.frames),
    )


def _find_error(story: RunStory, lines: list[StepLine]) -> ErrorSummary | None:
    run = story.run
    if run.state in REOPENABLE_STATES and run.failure is not None:
        where = next((line.label for line in reversed(lines) if line.ident == run.failed_ident), run.failed_ident or "")
        return msgspec.structs.replace(summarize_error(where, run.failure), hint="")  # the explanation has told it
    if run.state is RunState.RETRYING:
        for line in reversed(lines):
            last = line.tries[-1] if line.tries else None
            if line.superseded is None and last is not None and last.failure and last.state == AttemptState.FAILED:
                return summarize_error(line.label, last.failure)
    return None


def _list_starting_points(lines: list[StepLine]) -> list[OperationChoice]:
    """Return the steps from which a run can be run again, the newest first."""
    return [
        OperationChoice(one.ident, one.label)
        for one in reversed(lines)
        if one.kind == "step" and one.superseded is None
    ]
