"""One step of a run, looked at closely: every attempt with its own error, its values, where it saved its progress."""

from typing import Any

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import REOPENABLE_STATES, AttemptState, RunState
from mainspring.insight.steps import StepLine, step_label
from mainspring.store.views import RunView, StepView
from mainspring.web.api import runs
from mainspring.web.api.call import Call
from mainspring.web.dashboard.page import looked
from mainspring.web.dashboard.run_log import WHOLE, RunLooking
from mainspring.web.dashboard.run_summary import Trouble, trouble_of
from mainspring.web.dashboard.run_values import Value, values_of

_ATTEMPTS = 50


class Attempt(msgspec.Struct, frozen=True):
    """One attempt; `is_old` = a later generation counts in its place."""

    number: int
    generation: int
    state: str
    started_at: int
    took: int | None
    next_at: int | None
    trouble: Trouble | None
    is_old: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a step."""

    ident: str
    name: str
    kind: str
    attempts: list[Attempt]
    left_out: int
    values: list[Value]
    saved_at: int | None


def chosen_step(query: RunLooking, run: RunView, lines: list[StepLine]) -> str | None:
    """Return the step that is looked at, by its identity; None = the whole run. Links from elsewhere may know its name alone."""
    if query.step is None:
        again = [line.ident for line in lines if line.state == RunState.RETRYING]
        return run.failed_ident if run.state in REOPENABLE_STATES else again[-1] if again else None
    if query.step == WHOLE:
        return None
    known = {line.ident for line in lines}
    named = [line.ident for line in lines if line.name == query.step]
    return named[-1] if named and query.step not in known else query.step


def step_values(call: Call[Any, Any], run: RunView, ident: str) -> Step | None:
    """Return a step; None = the run has none of this identity, as one that was never begun."""
    found = _step(call, ident)
    if found is None:
        return None
    newest: Outcome | AttemptRecord = found.outcomes[0] if found.outcomes else found.attempts[-1]
    attempts = _attempts(found, run)
    saved = found.checkpoint
    last = found.outcomes[0] if found.outcomes else None
    return Step(
        ident=ident,
        name=step_label(ident, newest.name),
        kind=str(last.kind) if last is not None else "step",
        attempts=attempts[-_ATTEMPTS:],
        left_out=max(len(attempts) - _ATTEMPTS, 0),
        values=values_of(
            input=newest.input, output=last.output if last else None, checkpoint=saved.value if saved else None
        ),
        saved_at=None if saved is None else saved.at,
    )


def attempts_of(call: Call[Any, Any], run: RunView, ident: str) -> list[Attempt]:
    """Return all attempts of a step, in order; none of one that was never begun."""
    found = _step(call, ident)
    return [] if found is None else _attempts(found, run)


def _step(call: Call[Any, Any], ident: str) -> StepView | None:
    asked = looked(call)
    try:
        return runs.step(msgspec.structs.replace(asked, names={**asked.names, "step": ident}))
    except NotFoundError:
        return None


def _attempts(step: StepView, run: RunView) -> list[Attempt]:
    """Return all attempts in order: the last of each generation is told by its outcome."""
    ended = {(one.generation, one.attempt) for one in step.outcomes}
    latest = max([*(one.generation for one in step.outcomes), *(one.generation for one in step.attempts)])
    found = [_open(one, latest, run) for one in step.attempts if (one.generation, one.attempt) not in ended]
    found += [_ended(one) for one in step.outcomes]
    return sorted(found, key=lambda one: (one.generation, one.number))


def _ended(one: Outcome) -> Attempt:
    trouble = None if one.failure is None else trouble_of(one.name, one.failure)
    took = -(-one.took_us // 1000)
    is_old = one.superseded is not None
    return Attempt(one.attempt, one.generation, str(one.state), one.started_at, took, None, trouble, is_old)


def _open(one: AttemptRecord, latest: int, run: RunView) -> Attempt:
    trouble = None if one.failure is None else trouble_of(one.name, one.failure)
    took = None if one.ended_at is None else max(one.ended_at - one.started_at, 0)
    is_old = one.generation < latest
    state = str(one.state)
    if one.state is AttemptState.STARTED:  # what nobody has does not run
        state = RunState.RUNNING if run.state is RunState.RUNNING and not is_old else AttemptState.LOST
    return Attempt(one.attempt, one.generation, state, one.started_at, took, one.next_at, trouble, is_old)
