"""`ms.action`: a function that is safe to run twice, as a step of a workflow and as a plain call.

Role: puts the ledger around a function. The effect of a call has the key of `once=`, a template of the arguments. Without `once=` each
call in a step is an effect of its own, under the key of the step and a hash of its arguments: that protects it from a crash between effect
and commit. Inside of another effect it is a part of that one.
"""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, ParamSpec, TypeVar, Unpack, overload

import msgspec

from mainspring.app.once import make_effect, make_request, require_arguments, result_reader
from mainspring.domain.duration import SpanInput
from mainspring.domain.effects.earlier_effects import EffectScope
from mainspring.domain.effects.identity import encode_identity, hash_identity
from mainspring.domain.errors import (
    MainspringError,
    OptionError,
    OutsideStepError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import encode
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.domain.values.saved_call import encode_call
from mainspring.domain.values.template import check_template, expand_template
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.derived_keys import RUNNING_EFFECT
from mainspring.engine.attempts.effect import Check, Effect
from mainspring.engine.attempts.isolation import is_async
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.engine.definitions.automation import Step
from mainspring.engine.definitions.decorators import StepOptions, declare_step, step
from mainspring.resources.effects import hide_in_json

P = ParamSpec("P")
R = TypeVar("R")
_MAX_VERIFY_TEXT = 400
_LONGEST_ARGUMENT = 1_000
"""Bytes of JSON of an argument that is stored as it is."""
_REQUEST_OPTIONS = ("keyed", "within", "conflict", "wait")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class EffectNotVerifiedError(MainspringError):
    """`verify=` of an action does not find its effect at the target, or raised an error: the outcome is unknown."""

    code = "effect_not_verified"


class ActionOptions(StepOptions, total=False):
    """The options of `action`, besides those of a step.

    `once` = template of the key, such as "invoice:{order.id}". `check(*args)` asks the target for the effect;
    `verify(result, *args)` returns whether it is there after the call. The rest are those of `ms.once`.
    """

    once: str
    check: Check
    verify: Callable[..., Any]
    keyed: bool
    within: SpanInput
    conflict: Literal["skip", "error"]
    wait: SpanInput


class Action(Step[P, R]):
    """A function with the ledger around it. Call it in a step, pass it to `run.step`, or call it in a script or a test."""

    is_action = True

    def __init__(self, inner: Step[P, R], once: str | None, check: Check | None) -> None:
        super().__init__(inner.fn, inner.options, inner.retry, inner.undo)
        self.error, self.where = inner.error, inner.where
        self.once = once
        self.check = check

    def __repr__(self) -> str:
        return f"<action {self.name} of {self.fn.__module__}>"


@overload
def action(fn: Callable[P, R], /) -> Action[P, R]: ...
@overload
def action(**options: Unpack[ActionOptions]) -> Callable[[Callable[P, R]], Action[P, R]]: ...
def action(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function an action: its effect happens once for its key, and an unknown outcome is never repeated blindly.

        @ms.action(once="invoice:{order.id}", check=find_invoice, retry=5)
        def send_invoice(order: Order) -> str: ...

    Raises:
        OptionError, UnknownNameError: an option cannot be used.
        DefinitionError: not a plain function.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        own_names = ActionOptions.__annotations__.keys() - StepOptions.__annotations__.keys()
        own = {name: value for name, value in options.items() if name in own_names}
        step_options = {name: value for name, value in options.items() if name not in own_names}

        def make() -> Step[..., Any]:
            _require_options(fn, options)
            return step(**step_options)(_EffectCall(fn, own).wrap() if inspect.isfunction(fn) else fn)

        return Action(declare_step(fn, make), own.get("once"), own.get("check"))

    return decorate if fn is None else decorate(fn)


def _require_options(fn: Any, options: Mapping[str, Any]) -> None:
    name = getattr(fn, "__name__", repr(fn))
    for option in options:
        if option not in ActionOptions.__annotations__:
            raise UnknownNameError(f"option of action {name!r}", option, ActionOptions.__annotations__)
    for option in ("within", "conflict"):
        if option in options and "once" not in options:
            raise OptionError(
                f"{option}= of action {name!r} needs once=", hint=f'Name the effect: once="{name}:{{ARGUMENT}}".'
            )
    make_request(name, None, **{option: options[option] for option in _REQUEST_OPTIONS if option in options})
    if not inspect.isfunction(fn):
        return
    parameters = inspect.signature(fn).parameters
    if "once" in options:
        check_template(options["once"], list(parameters))
    args = [parameter for parameter in parameters.values() if parameter.kind in _POSITIONAL]
    kwargs = {
        key: parameter for key, parameter in parameters.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if "check" in options:
        require_arguments(options["check"], f"check= of action {name!r}", args, kwargs)
    if "verify" in options:
        require_arguments(options["verify"], f"verify= of action {name!r}", [None, *args], kwargs)


class _EffectCall:
    """The call of one action, with the ledger around its function."""

    def __init__(self, fn: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._fn = fn
        self._name = getattr(fn, "__name__", type(fn).__name__)
        self._once: str | None = options.get("once")
        self._check: Check | None = options.get("check")
        self._verify: Callable[..., Any] | None = options.get("verify")
        self._options = {name: options[name] for name in _REQUEST_OPTIONS if name in options}

    def wrap(self) -> Callable[..., Any]:
        """Return the function with the ledger around it; it looks like the function."""
        if is_async(self._fn):

            @functools.wraps(self._fn)
            async def perform_async(*args: Any, **kwargs: Any) -> Any:
                return await self._perform_async(self._make_effect(perform_async, args, kwargs), args, kwargs)

            return perform_async

        @functools.wraps(self._fn)
        def perform(*args: Any, **kwargs: Any) -> Any:
            return self._perform(self._make_effect(perform, args, kwargs), args, kwargs)

        return perform

    def _perform(self, effect: Effect | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        def call() -> Any:
            result = self._fn(*args, **kwargs)
            if self._verify is not None:
                with self._explain_verify_error():
                    is_there = self._verify(result, *args, **kwargs)
                self._require_verified(is_there)
            return result

        return call() if effect is None else effect.call(call, self._reader(effect))

    async def _perform_async(self, effect: Effect | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        async def call() -> Any:
            result = await self._fn(*args, **kwargs)
            if self._verify is not None:
                with self._explain_verify_error():
                    is_there = self._verify(result, *args, **kwargs)
                    is_there = await is_there if inspect.isawaitable(is_there) else is_there
                self._require_verified(is_there)
            return result

        return await (call() if effect is None else effect.call_async(call, self._reader(effect)))

    def _make_effect(self, wrapper: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Effect | None:
        check = None if self._check is None else functools.partial(self._check, *args, **kwargs)
        if self._once is None:
            values = describe_arguments(self._name, read_signature(self._fn), args, kwargs)
            effect = effect_of_action(self._name, identity=values, check=check, **self._options)
        else:
            data = encode_call(read_signature(self._fn), args, kwargs, f"arguments of action {self._name!r}")
            values = msgspec.json.decode(data)
            key = expand_template(self._once, values)
            effect = effect_of_action(self._name, once=key, identity=values, check=check, **self._options)
        step = CURRENT_STEP.get()
        if effect is not None and step is not None:
            effect.is_step = step.fn is wrapper
        return effect

    def _reader(self, effect: Effect) -> Callable[[bytes | None], Any]:
        return result_reader(effect.key, read_signature(self._fn))

    @contextlib.contextmanager
    def _explain_verify_error(self) -> Iterator[None]:
        """Raise EffectNotVerifiedError for an error of `verify`: it proves nothing about the effect, whatever its type means elsewhere."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it raises, the effect may have happened
            text = escape(f"{type(error).__name__}: {error}", _MAX_VERIFY_TEXT)
            raise EffectNotVerifiedError(
                f"action {self._name!r} returned, but verify= raised {text}",
                hint="Check the target. The effect is not repeated before its outcome is known.",
            ) from None

    def _require_verified(self, is_there: Any) -> None:
        if not is_there:
            raise EffectNotVerifiedError(
                f"action {self._name!r} returned, but verify= does not find its effect at the target",
                hint="Check the target. The effect is not repeated before its outcome is known.",
            )


def effect_of_action(
    name: str,
    *,
    once: str | None = None,
    identity: object = None,
    content: object = None,
    check: Check | None = None,
    **options: Any,
) -> Effect | None:
    """Return the effect of one call of an action; `options` are those of `ms.once`.

    Without `once` it is the effect of this use in the running step, or a part of the outer effect. Otherwise there is none: nothing says
    what would be the same. `content` = what tells two such uses apart, besides the identity.

    Raises:
        OutsideStepError: called straight from a workflow's body.
        ArgumentError, OptionError, ValueRefusedError: the key, an option or the identity cannot be used.
    """
    if IN_BODY.get():
        raise OutsideStepError(name)
    if once is not None:
        return make_effect(make_request(once, identity, check=check, **options), check)
    outer, step = RUNNING_EFFECT.get(), CURRENT_STEP.get()
    keys = outer if outer is not None or step is None else step.derived_keys
    if keys is None:
        return None
    if outer is not None and check is None:
        options["keyed"] = True  # the outer effect decides whether a part of unknown outcome is performed again
    if content is not None:
        data = hide_in_json(encode_identity(name, content, limit=sys.maxsize))
        identity = {"identity": identity, "content": hash_identity(data)}
    request = make_request(name, identity, check=check, **options)
    key = keys.next_key(name, hide_in_json(request.identity))
    scope = EffectScope(keys.prefix, keys.number, keys.is_new) if step is None else step.scope_of(keys)
    effect = make_effect(msgspec.structs.replace(request, key=key, scope=scope, id=keys.derive_id(key)), check)
    effect.derived_from = keys
    return effect


def describe_arguments(
    name: str, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, object]:
    """Return the arguments of a call as JSON data: a long one as its hash, one without JSON form as its type."""
    values = signature.bind(args, kwargs, f"arguments of action {name!r}")
    return {parameter: _describe_argument(value) for parameter, value in values.items()}


def _describe_argument(value: object) -> object:
    try:
        data = encode(value, limit=sys.maxsize)
    except ValueRefusedError:
        return {"type": type(value).__qualname__}
    is_short = len(data) <= _LONGEST_ARGUMENT and b"-0.0" not in data
    return msgspec.json.decode(data) if is_short else {"sha256": hash_identity(hide_in_json(data))}
