"""One step of a run, looked at closely: every attempt with its own error, its values, where it saved its progress."""

from typing import Any

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.insight.runs.steps import StepLine, label_step
from mainspring.store.views import RunView, StepView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import runs
from mainspring.web.dashboard.page_route import api_call
from mainspring.web.dashboard.runs.run_log import WHOLE_RUN, RunPageQuery
from mainspring.web.dashboard.runs.run_summary import ErrorSummary, summarize_error
from mainspring.web.dashboard.runs.run_values import ValueView, build_values

_ATTEMPTS = 50


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt; `is_old` = a later generation counts in its place."""

    number: int
    generation: int
    state: str
    started_at: int
    took: int | None
    next_at: int | None
    trouble: ErrorSummary | None
    is_old: bool


class StepDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a step."""

    ident: str
    name: str
    kind: str
    attempts: list[AttemptView]
    left_out: int
    values: list[ValueView]
    saved_at: int | None


def find_chosen_step(query: RunPageQuery, run: RunView, lines: list[StepLine]) -> str | None:
    """Return the step that is looked at, by its identity; None = the whole run. Links from elsewhere may know its name alone."""
    if query.step is None:
        again = [line.ident for line in lines if line.state == RunState.RETRYING]
        return run.failed_ident if run.state in REOPENABLE_STATES else again[-1] if again else None
    if query.step == WHOLE_RUN:
        return None
    known = {line.ident for line in lines}
    named = [line.ident for line in lines if line.name == query.step]
    return named[-1] if named and query.step not in known else query.step


def read_step(call: ApiCall[Any, Any], run: RunView, ident: str) -> StepDetail | None:
    """Return a step; None = the run has none of this identity, as one that was never begun."""
    found = _read_step(call, ident)
    if found is None:
        return None
    newest: Outcome | AttemptRecord = found.outcomes[0] if found.outcomes else found.attempts[-1]
    attempts = _list_attempts(found, run)
    saved = found.checkpoint
    last = found.outcomes[0] if found.outcomes else None
    return StepDetail(
        ident=ident,
        name=label_step(ident, newest.name),
        kind=str(last.kind) if last is not None else "step",
        attempts=attempts[-_ATTEMPTS:],
        left_out=max(len(attempts) - _ATTEMPTS, 0),
        values=build_values(
            input=newest.input, output=last.output if last else None, checkpoint=saved.value if saved else None
        ),
        saved_at=None if saved is None else saved.at,
    )


def list_attempts(call: ApiCall[Any, Any], run: RunView, ident: str) -> list[AttemptView]:
    """Return all attempts of a step, in order; none of one that was never begun."""
    found = _read_step(call, ident)
    return [] if found is None else _list_attempts(found, run)


def _read_step(call: ApiCall[Any, Any], ident: str) -> StepView | None:
    asked = api_call(call)
    try:
        return runs.show_step(msgspec.structs.replace(asked, names={**asked.names, "step": ident}))
    except NotFoundError:
        return None


def _list_attempts(step: StepView, run: RunView) -> list[AttemptView]:
    """Return all attempts in order: the last of each generation is told by its outcome."""
    ended = {(one.generation, one.attempt) for one in step.outcomes}
    latest = max([*(one.generation for one in step.outcomes), *(one.generation for one in step.attempts)])
    found = [_open_attempt(one, latest, run) for one in step.attempts if (one.generation, one.attempt) not in ended]
    found += [_ended_attempt(one) for one in step.outcomes]
    return sorted(found, key=lambda one: (one.generation, one.number))


def _ended_attempt(one: Outcome) -> AttemptView:
    trouble = None if one.failure is None else summarize_error(one.name, one.failure)
    took = -(-one.took_us // 1000)
    is_old = one.superseded is not None
    return AttemptView(one.attempt, one.generation, str(one.state), one.started_at, took, None, trouble, is_old)


def _open_attempt(one: AttemptRecord, latest: int, run: RunView) -> AttemptView:
    trouble = None if one.failure is None else summarize_error(one.name, one.failure)
    took = None if one.ended_at is None else max(one.ended_at - one.started_at, 0)
    is_old = one.generation < latest
    state = str(one.state)
    if one.state is AttemptState.STARTED:  # what nobody has does not run
        state = RunState.RUNNING if run.state is RunState.RUNNING and not is_old else AttemptState.LOST
    return AttemptView(one.attempt, one.generation, state, one.started_at, took, one.next_at, trouble, is_old)
