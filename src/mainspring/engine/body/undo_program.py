"""The undo program: undoes a run that was cancelled while it was stopped. Its code does not continue.

The steps are read from the journal, because the code may have drifted since, or fail, or crash its worker. The code only provides the
functions: it is driven through its history once, none of its requests starts, and the undo of each step that it requests becomes
known. Code that crashed its worker is not driven; steps that the code does not request are known by the name of their undo. A step
that ran for less than a second when its worker died has no record: it is known only if the code still requests it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.journal import AttemptRecord, History, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program, build_program
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.body.undo import StepEffect, find_effects, undo_each
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.runs import ClaimedRun


def choose_program(
    run: ClaimedRun, registry: Registry, data: bytes, payload_max: int, history: History | None
) -> Program:
    """Return the program of a claimed run, or its undo program if it is loaded for that. Raises as `build_program`."""
    if run.undoing and history is not None:
        return build_undo_program(run, registry, data, payload_max, history)
    return build_program(run, registry, data, payload_max)


def build_undo_program(run: ClaimedRun, registry: Registry, data: bytes, payload_max: int, history: History) -> Program:
    """Return the program that undoes a run and ends it as cancelled.

    Raises:
        UnknownNameError: no automation of that name is loaded here.
    """
    automation = registry.get(run.automation)
    requested: Sequence[Request] = ()
    if not run.crashes:
        with contextlib.suppress(MainspringError):  # its input does not fit the current code
            requested = _requests_with_undo(build_program(run, registry, data, payload_max), run, payload_max, history)

    async def main(body: Body) -> Any:
        body.stopping = OutcomeKind.CANCEL
        await undo_each(body, find_effects_to_undo(history, requested, run.generation))
        raise asyncio.CancelledError

    on_blocked = automation.definition.options.get("on_blocked", "hold")
    return Program(main, _encode_no_result, automation.retry, on_blocked, automation)


def find_effects_to_undo(history: History, requested: Sequence[Request], generation: int) -> list[StepEffect]:
    """Return the possible effects of a run that are not undone, newest first; `requested` = the requests of its code."""
    requests = {request.ident: request for request in requested}
    steps = [outcome for outcome in history.outcomes if outcome.kind is OutcomeKind.STEP]
    ended = {outcome.ident for outcome in history.outcomes}
    tried = {attempt.ident: _outcome_of_attempt(attempt) for attempt in history.attempts if attempt.ident not in ended}
    started = [
        _outcome_of_request(request, generation)
        for request in requested
        if request.offered and request.ident not in ended and request.ident not in tried
    ]
    unsure = [*tried.values(), *started]
    known = [*history.outcomes, *history.superseded, *unsure]
    return find_effects([*steps, *unsure], history.superseded, known, requests)


def last_request_number(history: History) -> int:
    """Return the highest request number in a history."""
    outcomes = max((outcome.request_number for outcome in (*history.outcomes, *history.superseded)), default=0)
    return max((attempt.request_number for attempt in history.attempts), default=outcomes)


def _requests_with_undo(program: Program, run: ClaimedRun, payload_max: int, history: History) -> list[Request]:
    """Return the steps with an undo that the code requests, as far as it runs."""
    body = Body(run.id, run.generation, program.main, history.outcomes, run.started_at, payload_max)
    try:
        with contextlib.suppress(Exception):  # a saved value that the current type cannot read
            body.begin()
        return list(body.undoable)
    finally:
        body.close()


def _outcome_of_attempt(attempt: AttemptRecord) -> Outcome:
    a = attempt
    return Outcome(
        *(0, a.ident, a.name, OutcomeKind.STEP, OutcomeState.IN_DOUBT, a.request_number, a.attempt, a.generation),
        *(a.started_at, a.started_at, 0, a.input, None, a.failure, a.undo),
    )


def _outcome_of_request(request: Request, generation: int) -> Outcome:
    call = request.call
    assert isinstance(call, StepCall)
    return Outcome(
        *(
            0,
            request.ident,
            request.name,
            OutcomeKind.STEP,
            OutcomeState.IN_DOUBT,
            request.request_number,
            0,
            generation,
        ),
        *(0, 0, 0, call.input, None, None, request.name),
    )


def _encode_no_result(_value: Any) -> bytes:
    return b"null"
