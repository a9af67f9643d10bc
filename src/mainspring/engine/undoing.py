"""Undo: each finished or in-doubt step of a run is taken back, newest first, by saved steps of their own.

A step counts as in doubt if the body once came to rest while it was open: from then on its effect may have begun. A
step that failed for good did not do its work, unless the failure leaves that open (a time-out or a broken connection
that is not proven unsent).
"""

import inspect
from typing import TYPE_CHECKING, Any

from mainspring.domain.call import roundtrip_call
from mainspring.domain.failure import Failure
from mainspring.domain.journal import OutcomeKind
from mainspring.domain.signature import signature_of
from mainspring.domain.states import OutcomeState
from mainspring.domain.verdict import Kind
from mainspring.engine.requests import Request, StepCall, StepPlan

if TYPE_CHECKING:
    from mainspring.engine.body import Body


def may_have_happened(request: Request) -> bool:
    """Tell whether the effect of a request is, or may be, in the world."""
    outcome = request.outcome
    if outcome is None:
        return request.offered
    if outcome.state is OutcomeState.FAILED:
        failure: Failure | None = outcome.failure
        return failure is not None and failure.kind is not Kind.PERMANENT and not failure.not_sent
    return True


async def undo_all(body: "Body") -> None:
    """Call the undo of each step that may have happened, newest first; open steps are given up before."""
    body.rolling_back = True
    for request in [r for r in body.undoable if r.open]:
        body.give_up(request)
    for request in sorted(body.undoable, key=lambda r: r.asked, reverse=True):
        if may_have_happened(request):
            await _undo(body, request)
    body.undoable.clear()


async def _undo(body: "Body", request: Request) -> None:
    call = request.call
    assert isinstance(call, StepCall)
    undo = call.plan.undo
    assert undo is not None
    undo = getattr(undo, "fn", undo)
    signature = signature_of(undo)
    kwargs: dict[str, Any] = dict(call.kwargs)
    if takes_result(undo):
        kwargs["result"] = _result_of(request)
    name = f"undo {request.name}"
    data, args, kwargs = roundtrip_call(signature, call.args, kwargs, name)
    future = body.future()

    def take(_value: Any, _failure: Failure | None) -> None:
        if not future.done():
            future.set_result(None)

    body.register(
        Request(
            OutcomeKind.UNDO,
            f"undo:{request.ident}",
            name,
            StepCall(
                undo, signature, args, kwargs, data, StepPlan(timeout=call.plan.timeout, isolate=call.plan.isolate)
            ),
            None,
            take,
        )
    )
    await future


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
