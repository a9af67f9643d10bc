"""The summary at the top of a run's page: its failure, reasons, next events, operations. `runs/run_parts.html` renders it on any page."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.failures.failure import Failure, short_type_name
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.domain.text.phrases import format_numbers
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.steps import StepLine
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.store.views import RunHistory
from mainspring.web.dashboard.runs.available_operations import (
    AvailableOperation,
    OperationChoice,
    list_available_operations,
)
from mainspring.web.pages.status_icons import state_tone

_CAUSES = 5


class ErrorSummary(msgspec.Struct, frozen=True):
    """An error for people. `where` = the step, `place` = "jobs.py:6 in charge".

    `causes` = its chain of causes, a line each; `frames` innermost last.
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
    """The values of `run_parts.summary`. `can` = all helpful command lines; `offers` = those of them that are buttons."""

    id: str
    automation: str
    title: str
    state: str
    tone: str
    headline: str
    what: list[str]
    why: list[str]
    next: list[str]
    error: ErrorSummary | None
    can: list[SuggestedCommand]
    offers: list[AvailableOperation]
    incident: dict[str, str] | None
    fingerprint: str | None
    measured: str
    """The numbers of the run; empty = it measured nothing."""
    is_repeatable: bool
    """Whether it can be run again with changes."""


def build_summary(outline: RunHistory, explanation: Explanation, lines: list[StepLine]) -> RunSummary:
    """Return the summary of a run."""
    run = outline.run
    return RunSummary(
        id=run.id,
        automation=run.automation,
        title=run.title or run.automation,
        state=str(run.state),
        tone=state_tone(run.state),
        headline=explanation.what[0],
        what=explanation.what[1:],
        why=explanation.why,
        next=explanation.next,
        error=_find_error(outline, lines),
        can=explanation.can,
        offers=list_available_operations(outline, explanation, _list_starting_points(lines)),
        incident=explanation.incident,
        fingerprint=explanation.fingerprint,
        measured=format_numbers(outline.numbers),
        is_repeatable=run.kind != DefinitionKind.EXEC and run.parent is None,
    )


def summarize_error(where: str, failure: Failure) -> ErrorSummary:
    """Return an error for people."""
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


def _find_error(outline: RunHistory, lines: list[StepLine]) -> ErrorSummary | None:
    run = outline.run
    if run.state in REOPENABLE_STATES and run.failure is not None:
        where = next((line.label for line in reversed(lines) if line.ident == run.failed_ident), run.failed_ident or "")
        return msgspec.structs.replace(summarize_error(where, run.failure), hint="")  # the explanation contains it
    if run.state is RunState.RETRYING:
        for line in reversed(lines):
            last = line.tries[-1] if line.tries else None
            if line.superseded is None and last is not None and last.failure and last.state == AttemptState.FAILED:
                return summarize_error(line.label, last.failure)
    return None


def _list_starting_points(lines: list[StepLine]) -> list[OperationChoice]:
    """Return the steps that a run can restart from, newest first."""
    return [
        OperationChoice(line.ident, line.label)
        for line in reversed(lines)
        if line.kind == "step" and line.superseded is None
    ]
