"""A run that is loaded only to take back what it did: it was cancelled where it had stopped, so its code is not gone on with.

What was done is read from the journal, for the code may have drifted since, or fail, or crash its worker. The code is asked only for the
functions: it is driven through its history once, nothing of it is started, and however far it comes, the undo of each step that it asks
for is known. Code that crashed its worker is not driven, and what the code does not ask for is known by the name of its undo. A step that
was under way for less than a second when its worker died is on no record: it is known only if the code still asks for it.
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
    """Return the program of a claimed run, or what takes it back if it is loaded for that. Raises as `build_program`."""
    if run.undoing and history is not None:
        return build_undo_program(run, registry, data, payload_max, history)
    return build_program(run, registry, data, payload_max)


def build_undo_program(run: ClaimedRun, registry: Registry, data: bytes, payload_max: int, history: History) -> Program:
    """Return the program that takes back what a run did and ends it as cancelled.

    Raises:
        UnknownNameError: no automation of that name is loaded here.
    """
    automation = registry.get(run.automation)
    asked: Sequence[Request] = ()
    if not run.crashes:
        with contextlib.suppress(MainspringError):  # its input does not fit today's code
            asked = _requests_with_undo(build_program(run, registry, data, payload_max), run, payload_max, history)

    async def main(body: Body) -> Any:
        body.stopping = OutcomeKind.CANCEL
        await undo_each(body, find_effects_to_undo(history, asked, run.generation))
        raise asyncio.CancelledError

    on_blocked = automation.definition.options.get("on_blocked", "hold")
    return Program(main, _encode_no_result, automation.retry, on_blocked, automation)


def find_effects_to_undo(history: History, asked: Sequence[Request], generation: int) -> list[StepEffect]:
    """Return what a run may have left in the world and has not taken back, newest first; `asked` = what its code asks for."""
    requests = {request.ident: request for request in asked}
    steps = [outcome for outcome in history.outcomes if outcome.kind is OutcomeKind.STEP]
    ended = {outcome.ident for outcome in history.outcomes}
    tried = {attempt.ident: _outcome_of_attempt(attempt) for attempt in history.attempts if attempt.ident not in ended}
    begun = [
        _outcome_of_request(r, generation) for r in asked if r.offered and r.ident not in ended and r.ident not in tried
    ]
    unsure = [*tried.values(), *begun]
    known = [*history.outcomes, *history.superseded, *unsure]
    return find_effects([*steps, *unsure], history.superseded, known, requests)


def last_request_number(history: History) -> int:
    """Return the highest place in the order of asking that a history knows."""
    outcomes = max((outcome.asked for outcome in (*history.outcomes, *history.superseded)), default=0)
    return max((attempt.asked for attempt in history.attempts), default=outcomes)


def _requests_with_undo(program: Program, run: ClaimedRun, payload_max: int, history: History) -> list[Request]:
    """Return the steps with an undo that the code asks for, as far as it comes."""
    body = Body(run.id, run.generation, program.main, history.outcomes, run.started_at, payload_max)
    try:
        with contextlib.suppress(Exception):  # a saved value that today's type cannot read
            body.begin()
        return list(body.undoable)
    finally:
        body.close()


def _outcome_of_attempt(attempt: AttemptRecord) -> Outcome:
    a = attempt
    return Outcome(
        *(0, a.ident, a.name, OutcomeKind.STEP, OutcomeState.IN_DOUBT, a.asked, a.attempt, a.generation),
        *(a.started_at, a.started_at, 0, a.input, None, a.failure, a.undo),
    )


def _outcome_of_request(request: Request, generation: int) -> Outcome:
    call = request.call
    assert isinstance(call, StepCall)
    return Outcome(
        *(0, request.ident, request.name, OutcomeKind.STEP, OutcomeState.IN_DOUBT, request.asked, 0, generation),
        *(0, 0, 0, call.input, None, None, request.name),
    )


def _encode_no_result(_value: Any) -> bytes:
    return b"null"
