"""Undo: each finished or in-doubt step of a run is taken back, newest first, by saved steps of their own.

A step counts as in doubt if the body once came to rest while it was open: from then on its effect may have begun. A
step that failed for good did not do its work, unless the failure leaves that open (a time-out or a broken connection
that is not proven unsent). What superseded generations did under keys of their own is taken back after that; it is
known by its saved input and the name of its undo, for the code may no longer ask for it.
"""

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.call import decode_call, roundtrip_call
from mainspring.domain.codec import decode
from mainspring.domain.errors import Permanent
from mainspring.domain.failure import Failure
from mainspring.domain.journal import Outcome, OutcomeKind
from mainspring.domain.signature import signature_of
from mainspring.domain.states import OutcomeState
from mainspring.domain.verdict import Kind
from mainspring.engine.isolation import load_here
from mainspring.engine.requests import Request, StepCall, StepPlan

if TYPE_CHECKING:
    from mainspring.engine.body import Body

_NO_PLAN = StepPlan()


def may_have_happened(request: Request) -> bool:
    """Tell whether the effect of a request is, or may be, in the world."""
    outcome = request.outcome
    return request.offered if outcome is None else _may_have(outcome)


def _may_have(outcome: Outcome) -> bool:
    if outcome.state is OutcomeState.FAILED:
        failure: Failure | None = outcome.failure
        return failure is not None and failure.kind is not Kind.PERMANENT and not failure.not_sent
    return True


async def undo_all(body: "Body") -> None:
    """Call the undo of each step that may have happened, newest first; open steps are given up before."""
    body.rolling_back = True
    for request in [r for r in body.undoable if r.open]:
        body.give_up(request)
    asked = sorted(body.undoable, key=lambda r: r.asked, reverse=True)
    earlier = _of_earlier_generations(body)
    for request in asked:
        if may_have_happened(request):
            call = request.call
            assert isinstance(call, StepCall) and call.plan.undo is not None
            undo = getattr(call.plan.undo, "fn", call.plan.undo)
            kwargs = dict(call.kwargs) | ({"result": _result_of(request)} if takes_result(undo) else {})
            await _undo(body, f"undo:{request.ident}", request.name, undo, call.args, kwargs, call.plan)
    twins = {request.ident: request for request in asked}
    for outcome in earlier:
        undo, args, kwargs, plan = _as_saved(outcome, twins.get(outcome.ident))
        await _undo(body, f"undo:{outcome.ident}@{outcome.generation}", outcome.name, undo, args, kwargs, plan)
    body.undoable.clear()


async def _undo(
    body: "Body",
    ident: str,
    step: str,
    undo: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    plan: StepPlan,
) -> None:
    name = f"undo {step}"
    signature = signature_of(undo)
    data, args, kwargs = roundtrip_call(signature, args, kwargs, name, limit=body.payload_max)
    future = body.future()

    def take(_value: Any, _failure: Failure | None) -> None:
        if not future.done():
            future.set_result(None)

    call = StepCall(undo, signature, args, kwargs, data, StepPlan(timeout=plan.timeout, isolate=plan.isolate))
    body.register(Request(OutcomeKind.UNDO, ident, name, call, None, take))
    await future


def _of_earlier_generations(body: "Body") -> list[Outcome]:
    """Return what superseded outcomes may have left in the world, newest first, each effect once."""
    done = {(request.ident, body.generation) for request in body.undoable}
    done |= {_undone(o) for o in body.superseded if o.kind is OutcomeKind.UNDO and o.state is OutcomeState.SUCCEEDED}
    found: list[Outcome] = []
    for outcome in sorted(body.superseded, key=lambda o: (o.generation, o.asked, o.rank), reverse=True):
        effect = (outcome.ident, outcome.generation)
        if outcome.undo is not None and outcome.kind is OutcomeKind.STEP and effect not in done and _may_have(outcome):
            done.add(effect)
            found.append(outcome)
    return found


def _undone(outcome: Outcome) -> tuple[str, int]:
    """Return which effect (identity, generation) a saved undo took back."""
    ident, _, generation = outcome.ident.removeprefix("undo:").rpartition("@")
    return (ident, int(generation)) if ident and generation.isdecimal() else (outcome.ident[5:], outcome.generation)


def _as_saved(outcome: Outcome, twin: Request | None) -> tuple[Any, tuple[Any, ...], dict[str, Any], StepPlan]:
    """Return the undo of a saved step with its arguments: by the same step of this generation, else by names alone."""
    assert outcome.undo is not None
    data, result = outcome.input or b"{}", outcome.output if outcome.state is OutcomeState.SUCCEEDED else None
    if twin is not None and isinstance(twin.call, StepCall) and twin.call.plan.undo is not None:
        undo = getattr(twin.call.plan.undo, "fn", twin.call.plan.undo)
        args, kwargs = decode_call(twin.call.signature, data, f"input of {outcome.name}")
        value = twin.decode(result) if result is not None and twin.decode is not None else None
        return undo, args, dict(kwargs) | ({"result": value} if takes_result(undo) else {}), twin.call.plan
    try:
        undo = load_here(outcome.undo)
        value = decode(result) if result is not None else None
        kwargs = msgspec.json.decode(data) | ({"result": value} if takes_result(undo) else {})
        signature_of(undo).bind((), kwargs, outcome.name)
    except Exception as error:  # noqa: BLE001 - what cannot be called any more is a person's matter
        return not_callable, (outcome.name, outcome.undo, str(error)), {}, _NO_PLAN
    return undo, (), kwargs, _NO_PLAN


def not_callable(step: str, undo: str, why: str) -> None:
    """Stand for the undo of an earlier generation that today's code does not have, or calls otherwise."""
    hint = "Take the step back by hand, then give the undo's result: runs give-result RUN null."
    raise Permanent(f"step {step!r} of an earlier generation cannot be taken back by {undo}: {why}", hint=hint)


def takes_result(undo: Any) -> bool:
    """Tell whether an undo has a parameter for the step's result."""
    parameters = inspect.signature(undo).parameters.values()
    return any(p.name == "result" or p.kind is p.VAR_KEYWORD for p in parameters)


def _result_of(request: Request) -> Any:
    outcome = request.outcome
    if (
        outcome is None
        or outcome.state is not OutcomeState.SUCCEEDED
        or outcome.output is None
        or request.decode is None
    ):
        return None
    return request.decode(outcome.output)
