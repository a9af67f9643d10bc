"""One step of a run in detail: every attempt with its own error, its values, its checkpoint."""

from typing import Any

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.insight.runs.steps import StepLine, label_step
from mainspring.store.views import RunView, StepView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.dashboard.page_route import api_call
from mainspring.web.dashboard.runs.run_log import WHOLE_RUN, RunPageQuery
from mainspring.web.dashboard.runs.run_summary import ErrorSummary, summarize_error
from mainspring.web.dashboard.runs.run_values import ValueView, build_values

_ATTEMPTS = 50


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt; `is_old` = a later generation replaced it."""

    number: int
    generation: int
    state: str
    started_at: int
    took: int | None
    next_at: int | None
    error: ErrorSummary | None
    is_old: bool


class StepDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The details of a step."""

    ident: str
    name: str
    kind: str
    attempts: list[AttemptView]
    left_out: int
    values: list[ValueView]
    saved_at: int | None


def find_chosen_step(query: RunPageQuery, run: RunView, lines: list[StepLine]) -> str | None:
    """Return the identity of the selected step; None = the whole run. Links from other pages may contain its name only."""
    if query.step is None:
        retrying = [line.ident for line in lines if line.state == RunState.RETRYING]
        return run.failed_ident if run.state in REOPENABLE_STATES else retrying[-1] if retrying else None
    if query.step == WHOLE_RUN:
        return None
    known = {line.ident for line in lines}
    named = [line.ident for line in lines if line.name == query.step]
    return named[-1] if named and query.step not in known else query.step


def read_step(call: ApiCall[Any, Any], run: RunView, ident: str) -> StepDetail | None:
    """Return a step; None = the run has none of this identity, or it has not started."""
    step = _read_step(call, ident)
    if step is None:
        return None
    newest: Outcome | AttemptRecord = step.outcomes[0] if step.outcomes else step.attempts[-1]
    attempts = _list_attempts(step, run)
    checkpoint = step.checkpoint
    last = step.outcomes[0] if step.outcomes else None
    return StepDetail(
        ident=ident,
        name=label_step(ident, newest.name),
        kind=str(last.kind) if last is not None else "step",
        attempts=attempts[-_ATTEMPTS:],
        left_out=max(len(attempts) - _ATTEMPTS, 0),
        values=build_values(
            input=newest.input,
            output=last.output if last else None,
            checkpoint=checkpoint.value if checkpoint else None,
        ),
        saved_at=None if checkpoint is None else checkpoint.at,
    )


def list_attempts(call: ApiCall[Any, Any], run: RunView, ident: str) -> list[AttemptView]:
    """Return all attempts of a step, in order; none if it has not started."""
    step = _read_step(call, ident)
    return [] if step is None else _list_attempts(step, run)


def _read_step(call: ApiCall[Any, Any], ident: str) -> StepView | None:
    run_call = api_call(call)
    try:
        return runs.show_step(msgspec.structs.replace(run_call, names={**run_call.names, "step": ident}))
    except NotFoundError:
        return None


def _list_attempts(step: StepView, run: RunView) -> list[AttemptView]:
    """Return all attempts in order; the last of each generation is read from its outcome."""
    ended = {(outcome.generation, outcome.attempt) for outcome in step.outcomes}
    latest = max(
        [*(outcome.generation for outcome in step.outcomes), *(attempt.generation for attempt in step.attempts)]
    )
    attempts = [
        _open_attempt(attempt, latest, run)
        for attempt in step.attempts
        if (attempt.generation, attempt.attempt) not in ended
    ]
    attempts += [_ended_attempt(outcome) for outcome in step.outcomes]
    return sorted(attempts, key=lambda attempt: (attempt.generation, attempt.number))


def _ended_attempt(outcome: Outcome) -> AttemptView:
    error = None if outcome.failure is None else summarize_error(outcome.name, outcome.failure)
    duration = -(-outcome.duration_us // 1000)
    is_old = outcome.superseded is not None
    return AttemptView(
        outcome.attempt, outcome.generation, str(outcome.state), outcome.started_at, duration, None, error, is_old
    )


def _open_attempt(attempt: AttemptRecord, latest: int, run: RunView) -> AttemptView:
    error = None if attempt.failure is None else summarize_error(attempt.name, attempt.failure)
    duration = None if attempt.ended_at is None else max(attempt.ended_at - attempt.started_at, 0)
    is_old = attempt.generation < latest
    state = str(attempt.state)
    if attempt.state is AttemptState.STARTED:  # an attempt that no worker has is not running
        state = RunState.RUNNING if run.state is RunState.RUNNING and not is_old else AttemptState.LOST
    return AttemptView(
        attempt.attempt, attempt.generation, state, attempt.started_at, duration, attempt.next_at, error, is_old
    )
