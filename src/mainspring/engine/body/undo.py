"""Undo: each finished or in-doubt step of a run is undone, newest first, by its own saved undo step.

A step counts as in doubt if the body once came to rest while it was open: from then on its effect may have started. A
step that failed for good had no effect, unless the failure leaves that open (a time-out or a broken connection
that is not proven unsent). Effects of superseded generations, which had their own keys, are undone after that; they are
known by the saved input and the name of the undo, because the code may no longer request them.

A child without an undo of its own is undone as a run: the run that rolls back waits until that has undone its steps.
"""

import inspect
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import Permanent
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import CHILD_UNDO, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import decode
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call, roundtrip_call
from mainspring.engine.attempts.isolation import load_in_engine
from mainspring.engine.body.request import ChildCall, Request, StepCall, UndoChildCall
from mainspring.engine.definitions.step_plan import StepPlan

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_NO_PLAN = StepPlan()
EFFECT_KINDS = frozenset({OutcomeKind.STEP, OutcomeKind.CHILD})
"""Kinds of requests that have effects."""


def may_have_happened(request: Request) -> bool:
    """Return whether a request had, or may have had, its effect."""
    outcome = request.outcome
    return request.offered if outcome is None else _may_have_effect(outcome)


def _may_have_effect(outcome: Outcome) -> bool:
    if outcome.state is OutcomeState.FAILED:
        failure: Failure | None = outcome.failure
        if outcome.kind is OutcomeKind.CHILD:  # whatever ended it, its earlier steps have succeeded
            return failure is None or not failure.not_sent
        return failure is not None and failure.kind is not FailureKind.PERMANENT and not failure.not_sent
    return True


class StepEffect(msgspec.Struct, frozen=True):
    """A possible effect of a saved step: the identity of its undo, the step's outcome, and the request of the current code, if any."""

    ident: str
    outcome: Outcome
    request: Request | None = None


async def undo_all(body: "Body") -> None:
    """Call the undo of each step that may have happened, newest first; open steps are cancelled before."""
    body.rolling_back = True
    for request in [request for request in body.undoable if request.open]:
        body.cancel_request(request)
    own = (r for r in body.undoable if r.outcome is None or r.outcome.rank > body.inherited_rank)
    requests = sorted(own, key=lambda request: request.request_number, reverse=True)
    counted = [request.outcome for request in requests if request.outcome is not None]
    current = {(request.ident, body.generation) for request in requests if request.outcome is None}
    current |= {(outcome.ident, outcome.generation) for outcome in counted}
    known = [*counted, *body.superseded]
    earlier = _of_earlier_generations(body.superseded, known, current, {request.ident: request for request in requests})
    for request in requests:
        if may_have_happened(request):
            await _undo_request(body, request)
    await undo_each(body, earlier)
    body.undoable.clear()


async def _undo_request(body: "Body", request: Request) -> None:
    call = request.call
    assert isinstance(call, StepCall | ChildCall)
    generation = body.generation if request.outcome is None else request.outcome.generation
    if call.plan.undo is None:
        undo_child = UndoChildCall(request.ident, generation)
        await _request_undo(body, f"undo:{request.ident}", f"undo {request.name}", undo_child)
        return
    if isinstance(call, ChildCall) and request.outcome is None:  # it was cancelled: its undo follows its end
        end = UndoChildCall(request.ident, generation, waits_only=True)
        await _request_undo(body, f"end:{request.ident}", f"end of {request.name}", end)
    args, kwargs = (call.args, call.kwargs) if isinstance(call, StepCall) else call.arguments
    undo = getattr(call.plan.undo, "fn", call.plan.undo)
    kwargs = dict(kwargs) | ({"result": _result_of(request)} if accepts_result(undo) else {})
    await _undo(body, f"undo:{request.ident}", request.name, undo, args, kwargs, call.plan)


async def undo_each(body: "Body", effects: Sequence[StepEffect]) -> None:
    """Call the undo of each saved step, in this order."""
    body.rolling_back = True
    for effect in effects:
        outcome, call = effect.outcome, None if effect.request is None else effect.request.call
        name = call.undo if outcome.undo is None and isinstance(call, ChildCall) else outcome.undo
        if name == CHILD_UNDO:
            undo_child = UndoChildCall(outcome.ident, outcome.generation)
            await _request_undo(body, effect.ident, f"undo {outcome.name}", undo_child)
            continue
        undo, args, kwargs, plan = _build_saved_undo(effect.outcome, effect.request)
        await _undo(body, effect.ident, effect.outcome.name, undo, args, kwargs, plan)


async def _undo(
    body: "Body",
    ident: str,
    step: str,
    undo: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    plan: StepPlan,
) -> None:
    signature = read_signature(undo)
    data, args, kwargs = roundtrip_call(signature, args, kwargs, f"undo {step}", limit=body.payload_max)
    own_plan = StepPlan(timeout=plan.timeout, isolate=plan.isolate)
    await _request_undo(body, ident, f"undo {step}", StepCall(undo, signature, args, kwargs, data, own_plan))


async def _request_undo(body: "Body", ident: str, name: str, call: StepCall | UndoChildCall) -> None:
    future = body.future()

    def take(_value: Any, _failure: Failure | None) -> None:
        if not future.done():
            future.set_result(None)

    body.register(Request(OutcomeKind.UNDO, ident, name, call, None, take))
    await future


def find_effects(
    counted: Sequence[Outcome],
    superseded: Sequence[Outcome],
    known: Sequence[Outcome],
    requests: Mapping[str, Request],
) -> list[StepEffect]:
    """Return the possible effects of a run's steps that no undo has undone, newest first; superseded ones after the counted."""
    done = _undone_effects(known)
    effects: list[StepEffect] = []
    for outcome in sorted(counted, key=lambda outcome: outcome.request_number, reverse=True):
        request = requests.get(outcome.ident)
        if (outcome.undo is not None or request is not None) and _may_have_effect(outcome):
            if (outcome.ident, outcome.generation) not in done:
                effects.append(StepEffect(f"undo:{outcome.ident}", outcome, request))
            done.add((outcome.ident, outcome.generation))
    return effects + _of_earlier_generations(superseded, known, done, requests)


def _of_earlier_generations(
    superseded: Sequence[Outcome],
    known: Sequence[Outcome],
    current: AbstractSet[tuple[str, int]],
    requests: Mapping[str, Request],
) -> list[StepEffect]:
    """Return the possible effects of superseded outcomes, newest first, each once; `current` = the effects of this generation."""
    done = set(current) | _undone_effects(known)
    effects: list[StepEffect] = []
    for outcome in sorted(
        superseded, key=lambda outcome: (outcome.generation, outcome.request_number, outcome.rank), reverse=True
    ):
        effect = (outcome.ident, outcome.generation)
        if (
            outcome.undo is not None
            and outcome.kind in EFFECT_KINDS
            and effect not in done
            and _may_have_effect(outcome)
        ):
            done.add(effect)
            effects.append(
                StepEffect(f"undo:{outcome.ident}@{outcome.generation}", outcome, requests.get(outcome.ident))
            )
    return effects


def _undone_effects(known: Sequence[Outcome]) -> set[tuple[str, int]]:
    """Return the effects (identity, generation) that saved undos have undone.

    An undo without a generation undid the outcome that then counted: the newest one not created after it.
    """
    generations: dict[str, set[int]] = {}
    for outcome in known:
        if outcome.kind in EFFECT_KINDS:
            generations.setdefault(outcome.ident, set()).add(outcome.generation)
    done: set[tuple[str, int]] = set()
    for outcome in known:
        if outcome.kind is OutcomeKind.UNDO and outcome.state is OutcomeState.SUCCEEDED:
            ident, _, generation = outcome.ident.removeprefix("undo:").rpartition("@")
            if ident in generations and generation.isdecimal():
                done.add((ident, int(generation)))
            else:
                ident = outcome.ident.removeprefix("undo:")
                before = [number for number in generations.get(ident, ()) if number <= outcome.generation]
                done.add((ident, max(before, default=outcome.generation)))
    return done


def _build_saved_undo(
    outcome: Outcome, request: Request | None
) -> tuple[Any, tuple[Any, ...], dict[str, Any], StepPlan]:
    """Return the undo of a saved step with its arguments: from the current code's request of the step, otherwise by names alone."""
    data, result = outcome.input or b"{}", outcome.output if outcome.state is OutcomeState.SUCCEEDED else None
    plan, args = _NO_PLAN, ()
    undo: Any
    try:
        call = None if request is None else request.call
        if request is not None and isinstance(call, StepCall | ChildCall) and call.plan.undo is not None:
            plan = call.plan
            undo = getattr(plan.undo, "fn", plan.undo)
            if isinstance(call, StepCall):
                args, kwargs = decode_call(call.signature, data, f"input of {outcome.name}")
            else:
                args, kwargs = call.arguments
            value = request.decode(result) if result is not None and request.decode is not None else None
        else:
            undo = load_in_engine(outcome.undo or "")
            kwargs = msgspec.json.decode(data)
            value = decode(result) if result is not None else None
        kwargs = dict(kwargs) | ({"result": value} if accepts_result(undo) else {})
        read_signature(undo).bind(args, kwargs, outcome.name)
    except Exception as error:  # noqa: BLE001 - an undo that cannot be called any more needs a person
        return fail_not_callable, (outcome.name, outcome.undo or "its undo", str(error)), {}, _NO_PLAN
    return undo, args, kwargs, plan


def fail_not_callable(step: str, undo: str, reason: str) -> None:
    """Fail in place of the undo of a saved step that the current code does not have, or calls otherwise."""
    hint = "Undo the step by hand, then set the result of the undo: runs give-result RUN null."
    raise Permanent(f"step {step!r} cannot be undone by {undo}: {reason}", hint=hint)


def accepts_result(undo: Any) -> bool:
    """Return whether an undo has a parameter for the step's result."""
    parameters = inspect.signature(undo).parameters.values()
    return any(parameter.name == "result" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


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
