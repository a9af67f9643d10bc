"""An effect of a step or a program: `ms.once(key)`, as a block or around a function, sync and async.

Role: asks the channel of the attempt (or of the program) for the effect, lets the user's code perform it, and sends its outcome.
Invariants: code performs the effect only after its intent is committed; each outcome is sent, whatever the code raises; a block that ends
without a word about its outcome is an error, and the outcome is unknown.
"""

import asyncio
import contextlib
import inspect
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from contextvars import Token
from types import TracebackType
from typing import Any, Protocol, Self

from mainspring.domain.effects.effect import CallOutcome, Recovery
from mainspring.domain.effects.errors import EffectConflictError
from mainspring.domain.effects.outcome import outcome_of_error
from mainspring.domain.errors import ConflictError, DefinitionError, MainspringError, ValueRefusedError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import decode, encode
from mainspring.engine.attempts.derived_keys import RUNNING_EFFECT, DerivedKeys
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import AttemptClosed
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement, doubt_error, release_of
from mainspring.store import failpoints

Check = Callable[..., Any]
"""Asks the target for the effect: returns its result, True for one without a result, None or False if the target does not have it."""
_MAX_WORDS = 4_096
"""Longer than what is stored: secrets are hidden before the words are cut."""


class EffectNotSettledError(MainspringError):
    """The code of an effect ended without `effect.done()`: its outcome is unknown."""

    code = "effect_not_settled"


class EffectChannel(Protocol):
    """The part of a channel that effects need."""

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]: ...

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]: ...


class Effect:
    """One effect, for a `with` (in an `async def`: an `async with`). `needed` tells whether the code has to perform it.

    `key` is the user's key. `idempotency_key` is for the target: the same until the outcome is known, another for the next effect.
    """

    def __init__(
        self,
        channel: EffectChannel,
        request: EffectRequest,
        *,
        check: Check | None,
        classifier: Classifier,
        limit: int,
    ) -> None:
        self.key = request.key
        self._channel = channel
        self._request = request
        self._check = check
        self._classifier = classifier
        self._limit = limit
        self._answer: EffectAnswer | None = None
        self._result: bytes | None = None
        self._refused: ValueRefusedError | None = None
        self._read: Callable[[bytes | None], Any] | None = None
        """Reads a result as the function of this effect types it."""
        self._is_done = False
        self._is_reported = False
        self._was_checked = False
        """Whether the target was asked, and does not have the effect."""
        self._place = ""
        self.is_step = False
        """Whether it is the whole of its step: then its outcome is sent just before that of the step, and both are one commit."""
        self._parts: DerivedKeys | None = None
        """The keys of the actions that the code calls, while it performs the effect."""
        self._parts_token: Token[DerivedKeys | None] | None = None
        self.derived_from: DerivedKeys | None = None
        """The keys from which its own key was taken; None if it has a key of the user."""
        self._pid = 0
        """The process that began."""

    def __repr__(self) -> str:
        state = "not started" if self._answer is None else "needed" if self.needed else "done"
        return f"<effect {self.key!r}, {state}>"

    @property
    def needed(self) -> bool:
        """Whether the code has to perform the effect, and then call `done`."""
        return self._started.intent > 0 and not self._is_done

    @property
    def is_suppressed(self) -> bool:
        """Whether an effect of the same key with another identity was done within the window."""
        return self._started.is_suppressed

    @property
    def idempotency_key(self) -> str:
        """The key to pass to the target, which then drops duplicates: the same for each call of the effect."""
        return self._started.id

    @property
    def result(self) -> Any:
        """The result of the effect, by this call or an earlier one, as plain JSON data; None without one.

        Raises:
            ConflictError: the effect is not done.
            ValueRefusedError: it is done, but its result could not be saved.
        """
        if self._started.intent and not self._is_done:
            raise ConflictError(f"effect {self.key!r} is not done yet", hint="Call effect.done(result) first.")
        if self._refused is not None or self._started.refused is not None:
            raise self._refused or _lost_result_error(self.key, self._started.refused or "")
        return None if self._result is None else decode(self._result, value_name=f"result of effect {self.key!r}")

    def done(self, result: Any = None) -> None:
        """Tell that the effect happened, with its result (JSON, at most 256 KiB). It is committed at the end of the block.

        Raises:
            ConflictError: the effect is not needed, or was reported before.
        """
        if not self.needed:
            raise ConflictError(
                f"effect {self.key!r} is done already", hint="Perform it, and call done(), only `if effect.needed`."
            )
        self._is_done = True
        try:
            self._result = None if result is None else encode(result, value_name=self._result_name, limit=self._limit)
        except ValueRefusedError as error:
            self._refused = error

    @property
    def _started(self) -> EffectAnswer:
        if self._answer is None:
            raise ConflictError(
                f"effect {self.key!r} has not started", hint=f"Write: with ms.once({self.key!r}) as effect:"
            )
        return self._answer

    @property
    def _result_name(self) -> str:
        return f"result of effect {self.key!r}"

    # -- blocks --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Begin: wait for another holder, and ask the target if the outcome of an earlier call is unknown.

        Raises:
            BusyError: another holder performed it for all of `wait`.
            EffectConflictError: the key was used with another identity.
            EffectInDoubtError: the effect may have happened, and only a person can decide.
            DefinitionError: in an event loop, which must not be blocked.
        """
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            raise DefinitionError(
                f"effect {self.key!r} would block the event loop",
                hint=f"Write: async with ms.once({self.key!r}), or give ms.once an `async def` function.",
            )
        self._place = _caller_place()
        pending = self._channel.begin_effect(self._request)
        try:
            answer = pending.wait()
        except BaseException as error:
            self._release(pending, error)
            raise
        self._begin(answer)
        if self._started.must_check and self._check is not None:
            try:
                reply = self._check()
                if inspect.isawaitable(reply):
                    _close(reply)
                    raise DefinitionError(
                        f"check= of effect {self.key!r} is async", hint="Use `async with ms.once(...)`."
                    )
                self._require_reply(reply)
            except BaseException as error:
                self._wait_for(self._settlement(CallOutcome.UNKNOWN, *_describe(error)))
                self._return_key()
                raise
            self._wait_for(self._read_check(reply))
        self._set_key()
        return self

    async def __aenter__(self) -> Self:
        """Begin, as `with` does; `check` may be async."""
        self._place = _caller_place()
        pending = self._channel.begin_effect(self._request)
        try:
            answer = await pending
        except BaseException as error:
            self._release(pending, error)
            raise
        self._begin(answer)
        if self._started.must_check and self._check is not None:
            try:
                reply = self._check()
                if inspect.isawaitable(reply):
                    reply = await reply
                self._require_reply(reply)
            except BaseException as error:
                await self._send(self._settlement(CallOutcome.UNKNOWN, *_describe(error)), error)
                self._return_key()
                raise
            settlement = self._read_check(reply)
            if settlement is not None:
                await self._send(settlement, None)
        self._set_key()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Commit the outcome.

        Raises:
            EffectNotSettledError: the block ended without `done`.
            EffectInDoubtError: the block raised, the outcome is unknown, and nothing but a person can settle it.
            ValueRefusedError: the effect is done, and its result cannot be saved.
        """
        self._reset_key()
        settlement = self._end(error)
        if settlement is not None:
            try:
                self._wait_for(settlement)
            except AttemptClosed:
                if error is None:
                    raise
            self._raise_after(settlement, error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Commit the outcome; raises as `with` does."""
        self._reset_key()
        settlement = self._end(error)
        if settlement is not None:
            await self._send(settlement, error)
            self._raise_after(settlement, error)

    def _begin(self, answer: EffectAnswer) -> None:
        self._answer, self._result, self._refused = answer, answer.result, None
        self._is_done, self._is_reported, self._was_checked = answer.intent == 0, False, False
        self._pid = os.getpid()
        self._parts = DerivedKeys.of_parts(answer.id, answer.intent)
        failpoints.hit("effect.started")

    def _set_key(self) -> None:
        """Let `ms.idempotency_key()` return the key of this effect, and let actions be its parts, while the code performs it."""
        if self.needed:
            self._parts_token = RUNNING_EFFECT.set(self._parts)

    def _reset_key(self) -> None:
        token, self._parts_token = self._parts_token, None
        if token is not None:
            with contextlib.suppress(ValueError):  # in a generator, a block can end in another context
                RUNNING_EFFECT.reset(token)

    def _return_key(self) -> None:
        if self.derived_from is not None:
            self.derived_from.return_key(self.key)

    def _release(self, pending: PendingAnswer[EffectAnswer], error: BaseException) -> None:
        """Release the intent that came while this code was stopped, so that it never received it."""
        self._return_key()
        if self.derived_from is not None and isinstance(error, EffectConflictError):
            self.derived_from.conflict = error
        answer = pending.abandon()
        if answer is not None and answer.intent:
            with contextlib.suppress(AttemptClosed):
                self._channel.settle_effect(release_of(self._request, answer))

    def _require_reply(self, reply: Any) -> None:
        """Refuse a reply of `check` that leaves open whether the target has the effect, or is no result of its function.

        Raises:
            DefinitionError: it is empty.
            ValueRefusedError: it does not fit the annotation of the function.
        """
        require_check_reply(self.key, reply)
        if self._read is not None and reply is not None and not isinstance(reply, bool):
            try:
                data = encode(reply, value_name=self._result_name, limit=self._limit)
            except ValueRefusedError:
                return  # a result that cannot be saved: the effect is done all the same
            self._read(data)

    def _read_check(self, reply: Any) -> EffectSettlement | None:
        """Return the outcome by the reply of `check`; None = the target does not have the effect."""
        if reply is None or reply is False:
            self._was_checked = True
            return None
        self.done(None if reply is True else reply)
        return self._settlement(CallOutcome.DONE)

    def _end(self, error: BaseException | None) -> EffectSettlement | None:
        """Return the outcome of the block; None if it has none to report."""
        if self._answer is None or self._answer.intent == 0 or self._is_reported:
            return None
        if os.getpid() != self._pid:
            return None  # a process that the block forked: the outcome is reported by the one that began
        if self._is_done:
            return self._settlement(CallOutcome.DONE)
        if error is None:
            return self._settlement(CallOutcome.UNKNOWN, f"the block at {self._place} ended without effect.done()")
        outcome = CallOutcome.UNKNOWN
        if self._parts is not None and error is self._parts.conflict:
            outcome = CallOutcome.RELEASED  # a part was not performed; those on record are kept
        elif isinstance(error, Exception):
            outcome = outcome_of_error(error, self._classifier.classify(error))
        return self._settlement(outcome, *_describe(error))

    def _settlement(self, outcome: CallOutcome, note: str | None = None, words: str | None = None) -> EffectSettlement:
        failpoints.hit("effect.performed")
        self._is_reported = True
        answer, result, refused = self._started, None, None
        if outcome is CallOutcome.DONE:
            result, refused = self._result, None if self._refused is None else self._refused.reason
        ends_step = self.is_step and outcome is CallOutcome.DONE and refused is None
        return EffectSettlement(
            self.key,
            answer.id,
            answer.intent,
            outcome,
            result,
            refused,
            note,
            words,
            was_checked=self._was_checked,
            ends_step=ends_step,
            has_parts=self._has_parts,
        )

    @property
    def _has_parts(self) -> bool:
        """Whether this call or an earlier one may have called actions that are on record as parts of the effect."""
        return self._parts is not None and self._parts.has_parts

    def _wait_for(self, settlement: EffectSettlement | None) -> None:
        if settlement is not None:
            pending = self._channel.settle_effect(settlement)
            if not settlement.ends_step:
                pending.wait()

    async def _send(self, settlement: EffectSettlement, error: BaseException | None) -> None:
        """Send an outcome and wait for its commit; code that is being stopped does not wait."""
        try:
            pending = self._channel.settle_effect(settlement)
        except AttemptClosed:
            if error is None:
                raise
            return
        if (error is None or isinstance(error, Exception)) and not settlement.ends_step:
            await pending

    def _raise_after(self, settlement: EffectSettlement, error: BaseException | None) -> None:
        """Raise what the committed outcome means for the code."""
        failpoints.hit("effect.settled")
        if settlement.outcome is not CallOutcome.DONE:
            self._return_key()
        if error is None and settlement.outcome is CallOutcome.UNKNOWN:
            raise EffectNotSettledError(
                f"the block of effect {self.key!r} ended without effect.done()\nat {self._place}",
                hint="Call effect.done(result) after the effect, or raise ms.NotSent if nothing was sent.",
            )
        is_doubt = settlement.outcome is CallOutcome.UNKNOWN and self._request.recovery is Recovery.PERSON
        if is_doubt and isinstance(error, Exception):
            reason = f"{settlement.note}: {settlement.words}"
            raise doubt_error(self.key, f"effect {self.key!r} may or may not have happened: {reason}") from error
        if error is None and self._refused is not None:
            raise self._refused

    # -- functions -----------------------------------------------------------------------------------------------------

    def call(self, fn: Callable[[], Any], read: Callable[[bytes | None], Any]) -> Any:
        """Perform the effect by a function, unless it is done; return its result, read from its JSON."""
        self._read = read
        with self:
            if self.needed:
                result = fn()
                self._refuse_unfinished(result)
                self.done(result)
        return self._read_result(read)

    async def call_async(self, fn: Callable[[], Awaitable[Any]], read: Callable[[bytes | None], Any]) -> Any:
        """Perform the effect by an async function, unless it is done; return its result, read from its JSON."""
        self._read = read
        async with self:
            if self.needed:
                result = await fn()
                self._refuse_unfinished(result)
                self.done(result)
        return self._read_result(read)

    def _refuse_unfinished(self, result: object) -> None:
        """Refuse a coroutine or generator: the function has returned, and the effect has not happened. Raises DefinitionError."""
        if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
            _close(result)
            raise DefinitionError(
                f"the function of effect {self.key!r} returned a {type(result).__name__} that no code runs",
                hint="Give ms.once an `async def` function, or a function that performs the effect before it returns.",
            )

    def _read_result(self, read: Callable[[bytes | None], Any]) -> Any:
        if self._refused is not None:
            raise self._refused
        if self._started.refused is not None:
            raise _lost_result_error(self.key, self._started.refused)
        return read(self._result)


def require_check_reply(key: str, reply: Any) -> None:
    """Raise DefinitionError for an empty reply of `check`, such as []: it leaves open whether the target has the effect."""
    if reply is None or isinstance(reply, bool) or reply:
        return
    raise DefinitionError(
        f"check= of effect {key!r} returned {reply!r}: does the target have the effect?",
        hint="Return None if it does not, True for an effect without a result, or the result.",
    )


def _lost_result_error(key: str, reason: str) -> ValueRefusedError:
    """Return the error of a call that finds the effect done without its result."""
    hint = f"The effect is done and is not repeated. To let the next call perform it: mainspring effects forget {shlex.quote(key)}"
    return ValueRefusedError(f"result of effect {key!r}", "$", reason, hint=hint)


def _close(result: object) -> None:
    """Close a coroutine that no code runs: Python would warn of it."""
    if inspect.iscoroutine(result):
        result.close()


def _describe(error: BaseException) -> tuple[str, str]:
    """Return the type of an error and its message."""
    return type(error).__name__, escape(str(error), _MAX_WORDS)


def _caller_place() -> str:
    """Return file and line of the `with` statement: the first frame outside of this file."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads the source files
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
