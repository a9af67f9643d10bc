"""`ms.once`: an effect that happens once for its key, in steps, scripts and plain programs, across all that use one store."""

import functools
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from mainspring.domain.duration import SpanInput, parse_duration, read_milliseconds
from mainspring.domain.effects.effect import Recovery
from mainspring.domain.effects.identity import encode_identity, require_key
from mainspring.domain.errors import ArgumentError, DefinitionError, OptionError
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.domain.values.saved_call import decode_result
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.effect import Check, Effect
from mainspring.engine.attempts.isolation import is_async
from mainspring.engine.attempts.step_context import CURRENT_STEP, current_step
from mainspring.resources.effects import EffectRequest

if TYPE_CHECKING:
    from mainspring.app.program_effects import ProgramEffects

T = TypeVar("T")
_DEFAULT_WAIT, _DEFAULT_WAIT_S = "30s", 30.0
_CONFLICTS = ("skip", "error")
_UNSET: Any = object()
_NAME_IN_BRACES = re.compile(r"\{[A-Za-z_][\w.]*(:[^{}]*)?\}")


@overload
def once(
    key: str,
    /,
    *,
    within: SpanInput | None = None,
    check: Check | None = None,
    keyed: bool = False,
    identity: object = None,
    conflict: Literal["skip", "error"] = "skip",
    wait: SpanInput = _DEFAULT_WAIT,
) -> Effect: ...
@overload
def once(
    key: str,
    fn: Callable[..., Coroutine[Any, Any, T]],
    /,
    *args: Any,
    within: SpanInput | None = None,
    check: Check | None = None,
    keyed: bool = False,
    identity: object = ...,
    conflict: Literal["skip", "error"] = "skip",
    wait: SpanInput = _DEFAULT_WAIT,
) -> Awaitable[T]: ...
@overload
def once(
    key: str,
    fn: Callable[..., T],
    /,
    *args: Any,
    within: SpanInput | None = None,
    check: Check | None = None,
    keyed: bool = False,
    identity: object = ...,
    conflict: Literal["skip", "error"] = "skip",
    wait: SpanInput = _DEFAULT_WAIT,
) -> T: ...
def once(
    key: str,
    fn: Callable[..., Any] | None = None,
    /,
    *args: Any,
    within: SpanInput | None = None,
    check: Check | None = None,
    keyed: bool = False,
    identity: object = _UNSET,
    conflict: Literal["skip", "error"] = "skip",
    wait: SpanInput = _DEFAULT_WAIT,
) -> Any:
    """Perform an effect once for its key: `ms.once(key, fn, *args)` returns the result of `fn`, or that of the earlier call.

    Without `fn` it returns an Effect for a `with` (in an `async def`: an `async with`):

        with ms.once(f"invoice:{order.id}") as effect:
            if effect.needed:
                effect.done(send(order))

    `within` = a new effect may follow this long after the last one ("1h"); without it the key counts for all time.
    `check` = a function that asks the target whether it has the effect. It is called with the arguments of `fn` if the outcome of an
    earlier call is unknown. It returns the result, True for an effect without a result, or None if the target does not have the effect.
    `keyed=True` = the target drops duplicates by `ms.idempotency_key()`. An effect of unknown outcome is repeated under the same key.
    With neither `check` nor `keyed`, a person decides; with both, `check` decides.
    `identity` = what the effect is about, as JSON (default: the arguments of `fn`). The same key with another identity is an error; with
    `within` the call is skipped, unless `conflict="error"`.
    `wait` = the longest wait for another holder.

    Raises:
        ArgumentError, OptionError, ValueRefusedError: the key, an option or the identity cannot be used.
        DefinitionError: `check` does not take the arguments of `fn`.
        BusyError: another holder performed the effect for all of `wait`.
        EffectConflictError: the key was used with another identity.
        EffectInDoubtError: the effect may have happened, and only a person can decide. A step then needs attention.
        StoreUnavailableError: without the store there is no effect.
        NotInStepError: in the body of a workflow.
    """
    if IN_BODY.get():
        current_step("once()")
    if identity is _UNSET:
        identity = None if fn is None else list(args)
    if fn is None and args:
        raise ArgumentError("ms.once(key, fn, *args): the arguments have no function")
    if check is not None:
        require_arguments(check, f"check= of effect {key!r}", args)
    bound_check = None if check is None else functools.partial(check, *args)
    request = make_request(key, identity, check=check, keyed=keyed, within=within, conflict=conflict, wait=wait)
    effect = make_effect(request, bound_check)
    if fn is None:
        return effect
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"ms.once({effect.key!r}) cannot call a generator function",
            hint="Give it a function that performs the effect and returns its result.",
        )
    bound, read = functools.partial(fn, *args), result_reader(effect.key, read_signature(fn))
    return effect.call_async(bound, read) if is_async(fn) else effect.call(bound, read)


def make_request(
    key: str,
    identity: object,
    *,
    check: Check | None = None,
    keyed: bool = False,
    within: SpanInput | None = None,
    conflict: str = "skip",
    wait: SpanInput = _DEFAULT_WAIT,
) -> EffectRequest:
    """Return the request of a call, its options checked.

    Raises:
        ArgumentError, OptionError, ValueRefusedError: the key, an option or the identity cannot be used.
    """
    _refuse_template(key)
    if conflict not in _CONFLICTS or (conflict == "error" and within is None):
        hint = 'Write conflict="error" together with within=, or leave it out.'
        raise OptionError(f"conflict={conflict!r} of effect {key!r}", hint=hint)
    return EffectRequest(
        require_key(key),
        encode_identity(key, identity),
        None if within is None else read_milliseconds("within", within, least=1),
        Recovery.CHECK if check is not None else Recovery.KEYED if keyed else Recovery.PERSON,
        conflict == "error",
        _DEFAULT_WAIT_S if wait == _DEFAULT_WAIT else parse_duration(wait).total_seconds(),
    )


def require_arguments(fn: object, name: str, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> None:
    """Raise DefinitionError if a function, such as the `check` of an effect, cannot be called with these arguments."""
    if not callable(fn):
        raise DefinitionError(f"{name} is not a function (got {type(fn).__name__})")
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a function of C that does not tell its parameters
        return
    try:
        signature.bind(*args, **(kwargs or {}))
    except TypeError as error:
        hint = "It is called with the arguments of the function that performs the effect."
        raise DefinitionError(f"{name} cannot be called: {error}", hint=hint) from None


def _refuse_template(key: str) -> None:
    """Raise OptionError for a literal with names in braces, an f-string without its f: all effects would share one key.

    Data can contain braces too. So it counts only if the key is written in the code of a caller.
    """
    frame = sys._getframe(1) if _NAME_IN_BRACES.search(str(key)) else None  # noqa: SLF001 - inspect.stack() reads files
    while frame is not None:
        if key in frame.f_code.co_consts:
            hint = f'If it names variables, write an f-string: f"{key}". Only once= of ms.action is a template.'
            raise OptionError(
                f"the key {key!r} contains a name in braces\nat {frame.f_code.co_filename}:{frame.f_lineno}", hint=hint
            )
        frame = frame.f_back


def make_effect(request: EffectRequest, check: Check | None) -> Effect:
    """Return the effect of the running step, or of the program."""
    step = CURRENT_STEP.get()
    if step is None:
        program = _open_program()
        return Effect(program, request, check=check, classifier=program.classifier, limit=program.payload_max)
    return Effect(step.channel, request, check=check, classifier=step.classifier, limit=step.payload_max)


def result_reader(key: str, signature: Signature) -> Callable[[bytes | None], Any]:
    """Return the function that reads a saved result as the annotation of its function types it."""

    def read(result: bytes | None) -> Any:
        return None if result is None else decode_result(signature, result, f"result of effect {key!r}")

    return read


def _open_program() -> "ProgramEffects":
    """Return the channel of code outside of steps; imported only there."""
    from mainspring.app.program_effects import program_effects

    return program_effects()
