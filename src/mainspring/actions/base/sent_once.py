"""A message that is sent once for its key: the ledger around the code of an action, sync and async.

Role: each action prepares its message, and passes the coroutine that sends it. Invariants: arguments are checked before the intent, so that
bad ones leave no effect in doubt; `message_key` is the same until the outcome of the effect is known.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from mainspring.actions.base.calling_thread import refuse_body, refuse_event_loop
from mainspring.actions.base.effect_result import read_effect_result
from mainspring.app.action import effect_of_action
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.domain.clock import SystemClock
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import NotSent, OptionError, Permanent, Transient
from mainspring.domain.ids import make_id
from mainspring.engine.attempts.effect import Effect
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.resources.error_text import ErrorText

R = TypeVar("R")
Sending = Callable[[], Coroutine[Any, Any, R]]
Finding = Callable[[], Any]


class SentOnce(Generic[R]):
    """One call of an action with an effect of its own.

    `result` = the type of the result, None if the action has none. `default` returns the result of a message that is known to be sent
    without its result on record. `check` asks the target for the message, and returns its result, True or None; it may be async.
    `content` = the message: it tells apart two messages of a step that have no key of the user.
    `is_keyed` = the target drops duplicates. `errors` has the secrets that the action reads: after a refusal the message is sent once
    more, if one of them has another value by now.
    """

    def __init__(
        self,
        action: str,
        result: type[R] | None,
        default: Callable[[], R],
        *,
        once: str | None,
        within: SpanInput | None,
        identity: object = None,
        content: object = None,
        check: Finding | None = None,
        is_keyed: bool = False,
        errors: ErrorText | None = None,
    ) -> None:
        if within is not None and once is None:
            raise OptionError(f"within= of {action} needs once=", hint='Name the effect: once="alert:disk".')
        self._action = action
        self._result = result
        self._default = default
        self._check = check
        self._errors = errors
        self.effect: Effect | None = effect_of_action(
            action,
            once=once,
            identity=identity,
            content=content,
            within=within,
            check=None if check is None else self._ask_target,
            keyed=is_keyed,
        )
        self._own_key = "" if self.effect is not None else make_key()
        self._is_async = False

    @property
    def message_key(self) -> str:
        """The key for the target."""
        return self._own_key if self.effect is None else self.effect.idempotency_key

    def perform(self, send: Sending[R]) -> R:
        """Send the message in this thread, unless it was sent before; return its result.

        Raises:
            DefinitionError: in an event loop, which must not be blocked.
        """
        refuse_event_loop(self._action)

        def call() -> R:
            return run_in_short_lived_loop(_send(send, self._errors))

        return call() if self.effect is None else self.effect.call(call, self._read)

    async def perform_async(self, send: Sending[R]) -> R:
        """Send the message, unless it was sent before; return its result."""
        self._is_async = True

        async def call() -> R:
            return await _send(send, self._errors)

        return await (call() if self.effect is None else self.effect.call_async(call, self._read))

    def _ask_target(self) -> Any:
        assert self._check is not None
        found = self._check()
        if self._is_async or not inspect.iscoroutine(found):
            return found
        return run_in_short_lived_loop(found)

    def _read(self, data: bytes | None) -> R:
        if data is None or self.effect is None or self._result is None:
            return self._default()
        return read_effect_result(self.effect.key, data, self._result)


def repeat(action: str, send: Sending[R], errors: ErrorText | None = None) -> R:
    """Run an action that is safe to repeat, in this thread; without the ledger. `errors` = as for SentOnce."""
    refuse_event_loop(action)
    return run_in_short_lived_loop(repeat_async(action, send, errors))


async def repeat_async(action: str, send: Sending[R], errors: ErrorText | None = None) -> R:
    """Run an action that is safe to repeat. Raises OutsideStepError in the body of a workflow."""
    refuse_body(action)
    return await _send(send, errors)


def make_key() -> str:
    """Return a key for a message without an effect on record."""
    clock = SystemClock()
    return make_id("e", clock.now(), clock.random_bits(80))


async def _send(send: Sending[R], errors: ErrorText | None) -> R:
    """Send; after a refusal once more, if a secret was rotated and the cache had the old value."""
    try:
        return await _convert_faults(send)
    except Permanent:
        if errors is None or not await asyncio.to_thread(errors.refresh):  # a provider on a server may take seconds
            raise
    return await _convert_faults(send)


async def _convert_faults(send: Sending[R]) -> R:
    try:
        return await send()
    except ChannelFault as fault:
        raise error_of_fault(fault) from None


def error_of_fault(fault: ChannelFault, place: str = "", hint: str | None = None) -> Transient | Permanent:
    """Return the error of an action: what it proves about the effect, and whether to try again."""
    text = f"{fault.text}\n{place}" if place else fault.text
    if fault.is_unknown:
        return Transient(f"it may have been sent: {text}", retry_after=_span_of(fault))
    if fault.is_final:
        return Permanent(text, hint=hint)
    error = NotSent(text)
    span = _span_of(fault)
    if span is not None:
        error.retry_after = Transient(text, retry_after=span).retry_after
    return error


def _span_of(fault: ChannelFault) -> float | None:
    return None if fault.retry_after_ms is None else fault.retry_after_ms / 1000
