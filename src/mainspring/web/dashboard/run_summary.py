"""The top of a run's page as plain values: what failed and why, what happens next, what can be done. `run_parts.html` draws it anywhere."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.failures.failure import Failure, short_type_name
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.insight.explaining import Explanation
from mainspring.insight.remedies import Can
from mainspring.insight.steps import StepLine
from mainspring.store.views import RunStory
from mainspring.web.dashboard.run_offers import Choice, Offer, offers
from mainspring.web.marks import tone_of

_CAUSES = 5


class Trouble(msgspec.Struct, frozen=True):
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


class Summary(msgspec.Struct, frozen=True, kw_only=True):
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
    trouble: Trouble | None
    can: list[Can]
    offers: list[Offer]
    incident: dict[str, str] | None
    fingerprint: str | None
    is_repeatable: bool
    """Whether it can be run again with changes."""


def summary_of(story: RunStory, told: Explanation, lines: list[StepLine]) -> Summary:
    """Return the summary of a run."""
    run = story.run
    return Summary(
        id=run.id,
        automation=run.automation,
        title=run.title or run.automation,
        state=str(run.state),
        tone=tone_of(run.state),
        headline=told.what[0],
        what=told.what[1:],
        why=told.why,
        next=told.next,
        trouble=_trouble(story, lines),
        can=told.can,
        offers=offers(story, told, _starting_points(lines)),
        incident=told.incident,
        fingerprint=told.fingerprint,
        is_repeatable=run.kind != DefinitionKind.EXEC and run.parent is None,
    )


def trouble_of(where: str, failure: Failure) -> Trouble:
    """Return an error as people read it."""
    causes, cause = list[str](), failure.cause
    while cause is not None and len(causes) < _CAUSES:
        causes.append(cause.headline)
        cause = cause.cause
    kind = str(failure.kind)
    return Trouble(
        where,
        kind,
        short_type_name(failure.type),
        failure.message,
        failure.place,
        failure.hint or "",
        causes,
        list(failure.frames),
    )


def _trouble(story: RunStory, lines: list[StepLine]) -> Trouble | None:
    run = story.run
    if run.state in REOPENABLE_STATES and run.failure is not None:
        where = next((line.label for line in reversed(lines) if line.ident == run.failed_ident), run.failed_ident or "")
        return msgspec.structs.replace(trouble_of(where, run.failure), hint="")  # the explanation has told it
    if run.state is RunState.RETRYING:
        for line in reversed(lines):
            last = line.tries[-1] if line.tries else None
            if line.superseded is None and last is not None and last.failure and last.state == AttemptState.FAILED:
                return trouble_of(line.label, last.failure)
    return None


def _starting_points(lines: list[StepLine]) -> list[Choice]:
    """Return the steps from which a run can be run again, the newest first."""
    return [Choice(one.ident, one.label) for one in reversed(lines) if one.kind == "step" and one.superseded is None]
