"""The ledger of effects, as running code uses it: what a call asks for, what it gets, and the translation to commands of the store.

Role: `EffectLedger` makes commands and reads their answers, `AttemptEffects` does that for the attempts of a worker, in the loop's thread.
Invariants: an attempt that ends leaves no pending effect: what it has not settled becomes unknown, and an intent that it never received is
released. A late outcome is still sent, as evidence for a doubt. A process that dies does nothing: its session is declared dead.
"""

import asyncio
import functools
import shlex
from collections.abc import Callable
from datetime import timedelta

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.effects.earlier_effects import EarlierEffects, EffectScope, add_mark
from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder, Recovery
from mainspring.domain.effects.errors import EffectConflictError, EffectInDoubtError
from mainspring.domain.effects.identity import hash_identity
from mainspring.domain.errors import ArgumentError, BusyError, ConflictError, MainspringError, SealedError
from mainspring.domain.ids import make_id
from mainspring.domain.runs.log_line import format_iso_instant
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import Sealing
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import Store
from mainspring.store.commands.effects import (
    BeginEffect,
    EarlierEffectsFound,
    EffectConflict,
    EffectFound,
    EffectGranted,
    ListEarlierEffects,
    SettleEffect,
)
from mainspring.store.commands.results import CommandDone, Refused

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
LONGEST_WAIT_FOR_CALLS_S = 5.0
"""How long a call waits for other calls of its attempt, if it may be an earlier effect that one of them is."""
EFFECT_RETRY_AFTER = timedelta(seconds=30)
_MAX_TEXT = 400
_ID_BITS = 80
_ONE_KEY = "One key is one effect. Put what differs into the key, or leave what may differ out of the identity."
_NAME_IT = 'State a key that names the effect, such as once=f"order:{order.id}". Then its arguments may change.'
_ATTEMPT_ENDED = "its attempt ended without an outcome"
_NO_WORDS = "its words are not stored, because a codec encrypts values"
_NOT_RECEIVED = "its code stopped before it received the intent"


class EffectRequest(msgspec.Struct, frozen=True):
    """The request of one call. `identity` is canonical JSON; it waits up to `wait_s` seconds for another holder.

    A call without a key of the user has a `scope`, and as a part of an outer effect the `id` that follows from the outer one.
    """

    key: str
    identity: bytes
    within_ms: int | None
    recovery: Recovery
    must_match: bool
    wait_s: float
    scope: EffectScope | None = None
    id: str | None = None


class EffectAnswer(msgspec.Struct, frozen=True):
    """The answer to one call. `id` = the idempotency key of the effect. `intent` 0 = it was done before, at `settled_at` by `owner`.

    `result` is JSON, None without one; `refused` = why it could not be saved. `must_check` = ask the target first.
    """

    id: str
    intent: int = 0
    must_check: bool = False
    settled_at: int = 0
    result: bytes | None = None
    refused: str | None = None
    is_suppressed: bool = False
    owner: str = ""


class EffectSettlement(msgspec.Struct, frozen=True):
    """The outcome of a call: DONE with its result as JSON (or why that cannot be saved), RELEASED, or UNKNOWN with a reason.

    `id` and `intent` are those of the answer. `note` = the reason, such as the type of an error, and `words` its message.
    `was_checked` = the target was asked before and does not have the effect. `ends_step` = the effect is the whole step: the outcome is
    committed with the end of the attempt. `has_parts` = its code may have called actions that are on record as its parts.
    """

    key: str
    id: str
    intent: int
    outcome: CallOutcome
    result: bytes | None = None
    refused: str | None = None
    note: str | None = None
    words: str | None = None
    was_checked: bool = False
    ends_step: bool = False
    has_parts: bool = False


def release_of(request: EffectRequest, answer: EffectAnswer) -> EffectSettlement:
    """Return the outcome of a call whose code stopped to wait before it got this answer."""
    return EffectSettlement(request.key, answer.id, answer.intent, CallOutcome.RELEASED, note=_NOT_RECEIVED)


AnswerCallback = Callable[[EffectAnswer | BaseException], None]
SettledCallback = Callable[[BaseException | None], None]


class EffectLedger:
    """Translates between calls and commands of the store."""

    def __init__(self, sealing: Sealing, clock: Clock) -> None:
        self._sealing = sealing
        self._clock = clock
        self._next_random = clock.random_bits(_ID_BITS)

    def begin_command(self, request: EffectRequest, holder: EffectHolder) -> BeginEffect:
        """Return the command that asks for an effect. Its identity is compared as it is, and stored without known secrets.

        Raises:
            ArgumentError: the key contains a known secret.
            SealedError: the codec failed.
        """
        if KNOWN_SECRETS.redactor.hide_known(request.key) != request.key:
            raise ArgumentError(
                "the key of an effect contains a secret",
                hint='Keys are stored and shown. Name the thing, not its key: f"charge:{order.id}".',
            )
        if request.scope is not None:
            holder = msgspec.structs.replace(holder, call_id=add_mark(holder.call_id, request.scope.checkpoint))
        call = EffectCall(
            request.key,
            holder,
            hash_identity(request.identity),
            self._sealing.seal(hide_in_json(request.identity)),
            request.within_ms,
            request.recovery,
            request.must_match,
            is_part=request.id is not None,
        )
        # The kernel is asked for random bits once, not for each id.
        self._next_random = (self._next_random + 1) % (1 << _ID_BITS)
        return BeginEffect(call, request.id or make_id("e", self._clock.now(), self._next_random))

    def settle_command(self, settlement: EffectSettlement) -> SettleEffect:
        """Return the command that saves an outcome. A result that cannot be sealed is lost; that the effect is done is not.

        Words may come from values. They are stored without known secrets. If a codec encrypts values, they are not stored at all.
        """
        s = settlement
        result, refused, note = None, s.refused, s.note
        if not self._sealing.is_plain:
            refused = None if refused is None else _NO_WORDS
        elif s.words:
            note = f"{note}: {s.words}"
        if s.result is not None:
            try:
                result = self._sealing.seal(s.result)
            except SealedError as error:
                refused = error.message
        return SettleEffect(
            s.key, s.id, s.intent, s.outcome, result, _hide(refused), _hide(note), s.was_checked, s.has_parts
        )

    def read_answer(
        self, request: EffectRequest, answer: EffectGranted | EffectFound | EffectConflict | Refused
    ) -> EffectAnswer | Refused:
        """Return the answer of the store for the caller; Refused = another holder is performing the effect.

        Raises:
            EffectConflictError, EffectInDoubtError, SealedError.
        """
        if isinstance(answer, EffectGranted):
            return EffectAnswer(answer.id, answer.intent, answer.must_check)
        if isinstance(answer, EffectFound):
            result = None if answer.result is None else self._sealing.open(answer.result)
            return EffectAnswer(
                answer.id,
                settled_at=answer.settled_at,
                result=result,
                refused=answer.refused,
                is_suppressed=answer.suppressed,
                owner=answer.owner,
            )
        if isinstance(answer, EffectConflict):
            text = f"effect {request.key!r} was used with another identity"
            raise self._make_conflict(text, request, answer.identity, answer.owner, answer.settled_at, _ONE_KEY)
        if answer.code == "held":
            return answer
        if answer.code == "in_doubt":
            raise doubt_error(request.key, answer.text)
        raise EffectConflictError(answer.text, hint="Enter ms.once for a key one time, around the code of its effect.")

    def check_earlier(self, request: EffectRequest, earlier: EarlierEffects) -> EffectConflictError | None:
        """Note a call without a key of the user; return the error if it may be an earlier effect with other arguments.

        None = it is clear. A later call of its attempt can make it clear, too.

        Raises:
            EffectConflictError: the code has continued after an effect with these arguments.
        """
        scope, action = request.scope, request.key.rpartition("/")[2].partition("#")[0]
        repeated = earlier.meet(request.key, is_resumed=scope is not None and scope.is_resumed)
        if repeated is not None:
            text = f"action {action!r} had these arguments before the last checkpoint: is this call the same effect?"
            raise self._make_conflict(text, request, repeated.identity, repeated.owner, repeated.changed_at, _NAME_IT)
        rival = earlier.find_rival(request.key)
        if rival is None:
            return None
        text = f"action {action!r} had other arguments in an earlier attempt: is this call the same effect?"
        return self._make_conflict(text, request, rival.identity, rival.owner, rival.changed_at, _NAME_IT)

    def _make_conflict(
        self, text: str, request: EffectRequest, identity: bytes, owner: str, at: int, hint: str
    ) -> EffectConflictError:
        """Return the error that shows the identity on record and that of a call."""
        before = escape(self._sealing.open(identity).decode(), _MAX_TEXT)
        now = escape(hide_in_json(request.identity).decode(), _MAX_TEXT)
        by = f"{owner}, {format_iso_instant(at)}"
        return EffectConflictError(f"{text}\non record: {before} (by {by})\nthis call: {now}", hint=hint)


def _hide(text: str | None) -> str | None:
    """Hide the known secrets in a text."""
    return None if text is None else KNOWN_SECRETS.redact(text)


def hide_in_json(data: bytes) -> bytes:
    """Hide the known secrets in the values of JSON."""
    redactor = KNOWN_SECRETS.redactor
    if not redactor.values:
        return data
    value = msgspec.json.decode(data)
    hidden = redactor.hide_known(value)
    return data if hidden == value else encode(hidden)


def doubt_error(key: str, reason: str) -> EffectInDoubtError:
    """Return the error of a call that needs a person's decision."""
    word = shlex.quote(key)
    return EffectInDoubtError(
        reason,
        hint="Check at the target. If a run stopped for it, decide on the run: mainspring explain RUN lists the commands. "
        f"Otherwise, if it happened: mainspring effects confirm {word}. If it did not: mainspring effects forget {word}",
    )


def busy_error(refused: Refused, wait_s: float) -> BusyError:
    """Return the error of a call that waited for another holder in vain."""
    return BusyError(EFFECT_RETRY_AFTER, f"{refused.text}, for longer than the wait of {wait_s:g} s")


class _PendingEffect:
    """One call of an attempt that waits for its answer, or has an intent (`granted`)."""

    __slots__ = ("answer", "clear_by", "granted", "holder", "pause", "request", "timer", "until")

    def __init__(self, holder: EffectHolder, request: EffectRequest, until: float, answer: AnswerCallback) -> None:
        self.holder = holder
        self.request = request
        self.until = until
        self.answer = answer
        self.pause = FIRST_PAUSE_S
        self.timer: asyncio.TimerHandle | None = None
        self.clear_by = until - request.wait_s + min(request.wait_s, LONGEST_WAIT_FOR_CALLS_S)
        self.granted: EffectAnswer | None = None


class AttemptEffects:
    """The effects of one worker's attempts."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop, ledger: EffectLedger) -> None:
        self._store = store
        self._loop = loop
        self._ledger = ledger
        self._calls: dict[str, set[_PendingEffect]] = {}
        """The calls of each attempt that wait for an answer or have an intent."""
        self._granted: dict[tuple[str, str, int], _PendingEffect] = {}
        """The calls with an intent, by the idempotency key of the effect, the attempt and the intent."""
        self._last: dict[str, tuple[EffectSettlement, SettledCallback]] = {}
        """The outcomes that are committed with the end of their attempt."""
        self._earlier: dict[str, dict[tuple[str, int], EarlierEffects | list[_PendingEffect]]] = {}
        """The effects of earlier attempts, for each attempt and scope; or the calls that wait for them."""
        self._is_closed = False

    def begin(self, holder: EffectHolder, request: EffectRequest, answer: AnswerCallback) -> None:
        """Ask for an effect; `answer` is called once, with the answer or the error. `holder.owner` identifies the attempt."""
        if self._is_closed:
            return
        call = _PendingEffect(holder, request, self._loop.time() + request.wait_s, answer)
        self._calls.setdefault(holder.owner, set()).add(call)
        self._ask(call)

    def settle(self, owner: str, settlement: EffectSettlement, settled: SettledCallback) -> None:
        """Save the outcome of an intent, also after the end of its attempt; `settled` is called once it is committed, or cannot be."""
        if self._is_closed:
            return
        call = self._granted.get((settlement.id, owner, settlement.intent))
        if call is not None:
            self._forget(call)
            if settlement.ends_step:
                self._last[owner] = settlement, settled
                return
        self._submit(settlement, settled)

    def _submit(self, settlement: EffectSettlement, settled: SettledCallback) -> None:
        self._store.submit(
            self._ledger.settle_command(settlement), functools.partial(self._on_settled, settlement, settled)
        )

    def end(self, owner: str) -> None:
        """Save the outcome that belongs to the end of an attempt, and make its pending effects unknown: it has ended."""
        self._earlier.pop(owner, None)
        last = self._last.pop(owner, None)
        if last is not None:
            self._submit(*last)
        for call in tuple(self._calls.get(owner, ())):
            self._forget(call)
            if call.granted is not None:
                self._give_back(call, call.granted, CallOutcome.UNKNOWN)

    def close(self) -> None:
        """Do nothing more: the end of the session makes all pending effects unknown."""
        for owner in tuple(self._last):
            self._submit(*self._last.pop(owner))
        self._is_closed = True
        for calls in tuple(self._calls.values()):
            for call in tuple(calls):
                self._forget(call)

    def _forget(self, call: _PendingEffect) -> None:
        """Forget a call that waits for nothing any more."""
        owner = call.holder.owner
        if call.timer is not None:
            call.timer.cancel()
        if call.granted is not None:
            self._granted.pop((call.granted.id, owner, call.granted.intent), None)
        calls = self._calls.get(owner)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._calls[owner]

    def _is_live(self, call: _PendingEffect) -> bool:
        return call in self._calls.get(call.holder.owner, ())

    def _ask(self, call: _PendingEffect) -> None:
        call.timer = None
        try:
            if not self._is_clear(call):
                return
            command = self._ledger.begin_command(call.request, call.holder)
        except MainspringError as error:
            self._reply(call, error)
            return
        self._store.submit(command, functools.partial(self._on_answer, call))

    def _is_clear(self, call: _PendingEffect) -> bool:
        """Tell whether a call is no earlier effect with other arguments, as far as it can be known. If not, the check is repeated later.

        Raises:
            EffectConflictError: it may be one.
        """
        scope = call.request.scope
        if scope is None or scope.is_new:
            return True
        of_attempt = self._earlier.setdefault(call.holder.owner, {})
        name = scope.prefix, scope.number
        earlier = of_attempt.get(name)
        if not isinstance(earlier, EarlierEffects):
            of_attempt[name] = [*(earlier or ()), call]
            if earlier is None:
                self._store.submit(
                    ListEarlierEffects(scope.prefix), functools.partial(self._on_earlier, call.holder.owner, scope)
                )
            return False
        conflict = self._ledger.check_earlier(call.request, earlier)
        if conflict is None:
            return True
        if self._loop.time() >= call.clear_by:
            raise conflict
        self._ask_later(call, call.clear_by)
        return False

    def _on_earlier(self, owner: str, scope: EffectScope, found: EarlierEffectsFound | BaseException) -> None:
        of_attempt = self._earlier.get(owner, {})
        waiting = of_attempt.pop((scope.prefix, scope.number), None)
        if isinstance(found, EarlierEffectsFound) and waiting is not None:
            of_attempt[scope.prefix, scope.number] = EarlierEffects(found.effects, found.released, scope)
        for call in waiting if isinstance(waiting, list) else ():
            if self._is_live(call) and isinstance(found, BaseException):
                self._reply(call, found)
            elif self._is_live(call):
                self._ask(call)

    def _ask_later(self, call: _PendingEffect, until: float) -> None:
        call.timer = self._loop.call_later(min(call.pause, until - self._loop.time()), self._ask, call)
        call.pause = min(call.pause * 2, LONGEST_PAUSE_S)

    def _on_answer(
        self, call: _PendingEffect, answer: EffectGranted | EffectFound | EffectConflict | Refused | BaseException
    ) -> None:
        if not self._is_live(call):
            if isinstance(answer, EffectGranted):
                self._give_back(call, EffectAnswer(answer.id, answer.intent), CallOutcome.RELEASED)
            return
        if isinstance(answer, BaseException):
            self._reply(call, answer)
            return
        try:
            result = self._ledger.read_answer(call.request, answer)
        except MainspringError as error:
            self._reply(call, error)
            return
        if not isinstance(result, Refused):
            self._reply(call, result)
            return
        if self._loop.time() < call.until:
            self._ask_later(call, call.until)
        else:
            self._reply(call, busy_error(result, call.request.wait_s))

    def _reply(self, call: _PendingEffect, result: EffectAnswer | BaseException) -> None:
        """Answer a call; one that has no intent is over."""
        if isinstance(result, EffectAnswer) and result.intent:
            call.granted = result
            self._granted[result.id, call.holder.owner, result.intent] = call
        else:
            self._forget(call)
        call.answer(result)

    def _give_back(self, call: _PendingEffect, granted: EffectAnswer, outcome: CallOutcome) -> None:
        if not self._is_closed:
            note = _ATTEMPT_ENDED if outcome is CallOutcome.UNKNOWN else _NOT_RECEIVED
            command = SettleEffect(call.request.key, granted.id, granted.intent, outcome, note=note)
            self._store.submit(command, lambda _answer: None)

    def _on_settled(
        self, settlement: EffectSettlement, settled: SettledCallback, answer: CommandDone | Refused | BaseException
    ) -> None:
        """Report the end of a settlement. If it cannot be executed, the effect is done without its result, or unknown: never pending."""
        if isinstance(answer, BaseException) and not self._is_closed:
            reason = escape(f"its outcome could not be saved: {type(answer).__name__}", _MAX_TEXT)
            is_done = settlement.outcome is CallOutcome.DONE
            last = msgspec.structs.replace(
                settlement,
                outcome=CallOutcome.DONE if is_done else CallOutcome.UNKNOWN,
                result=None,
                refused=reason if is_done else None,
                note=reason,
            )
            self._store.submit(self._ledger.settle_command(last), lambda _answer: None)
        if isinstance(answer, BaseException):
            settled(answer)
        else:
            settled(None if isinstance(answer, CommandDone) else ConflictError(answer.text))
