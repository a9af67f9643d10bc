"""Effects of a program outside of steps: a script, a plain program, `mainspring once`.

Role: the channel of `ms.once` where no step runs; the effects belong to the session of the program. Invariants: without the store there is
no effect. An outcome that the store did not take is sent again with the next call: otherwise its effect would be pending for as long as the
program lives.
"""

import itertools
import os
import shlex
import threading
import time
from collections.abc import Callable

from mainspring.app.program_session import STORE_TIMEOUT_S, ProgramSession, program_session
from mainspring.domain.effects.earlier_effects import EarlierEffects, EffectScope
from mainspring.domain.effects.effect import CallOutcome, EffectHolder
from mainspring.domain.errors import (
    ConflictError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.resources.effects import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_WAIT_FOR_CALLS_S,
    EffectAnswer,
    EffectLedger,
    EffectRequest,
    EffectSettlement,
    busy_error,
    release_of,
)
from mainspring.store.commands.effects import ListEarlierEffects
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.committer import NOTHING_DONE

_CHECK_EVERY_S = 1.0
"""Seconds between two checks whether the awaited holder lives."""
_MAX_SCOPES = 100
"""Outer effects whose earlier parts are remembered: those that the program performs at this moment."""
_UNSAVED_ERRORS = (StoreFullError, StoreReadOnlyError, StoreUnavailableError)
_UNSAVED = {
    CallOutcome.DONE: ("was performed", "mainspring effects confirm {key}"),
    CallOutcome.UNKNOWN: (
        "may or may not have happened",
        "if it happened, mainspring effects confirm {key}; if it did not, mainspring effects forget {key}",
    ),
    CallOutcome.RELEASED: ("was not performed", "mainspring effects forget {key}"),
}
"""The state of an effect by its outcome, and the command by which a person records it."""


class ProgramEffects:
    """The effects of one program; used from any thread."""

    def __init__(self, session: ProgramSession) -> None:
        project = session.project
        self._session = session
        self.classifier = project.classifier or DEFAULT_CLASSIFIER
        """The rules for errors of this project."""
        self.payload_max = project.sealing.limit
        """The largest result, in bytes of JSON."""
        self._ledger = EffectLedger(project.sealing, project.clock)
        self._calls = itertools.count(1)
        self._unsaved: dict[tuple[str, int], EffectSettlement] = {}
        """Outcomes that the store did not take, by idempotency key and intent."""
        self._settling: set[threading.Thread] = set()
        self._earlier: dict[tuple[str, int], EarlierEffects] = {}
        self._earlier_lock = threading.Lock()
        session.before_close(self._finish_settling)

    def _finish_settling(self) -> None:
        """Wait for the outcomes that are on their way."""
        for thread in tuple(self._settling):
            thread.join(STORE_TIMEOUT_S)

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        """Ask for an effect, in a thread of its own: the wait for another holder must not block a loop."""
        pending: PendingAnswer[EffectAnswer] = PendingAnswer(next(self._calls))
        threading.Thread(target=self._begin, args=(request, pending), name="mainspring-effect", daemon=True).start()
        return pending

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        """Save the outcome of an effect, in a thread of its own, as `begin_effect` does."""
        pending: PendingAnswer[None] = PendingAnswer(next(self._calls))
        thread = threading.Thread(
            target=self._settle, args=(settlement, pending), name="mainspring-effect", daemon=True
        )
        self._settling.add(thread)
        thread.start()
        return pending

    def _settle(self, settlement: EffectSettlement, pending: PendingAnswer[None]) -> None:
        try:
            answer = self._save(settlement)
        except StoreError as error:
            pending.answer(_make_unsaved_error(settlement, error))
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            pending.answer(error)
        else:
            pending.answer(ConflictError(answer.text) if isinstance(answer, Refused) else None)
        finally:
            self._settling.discard(threading.current_thread())

    def _save(self, settlement: EffectSettlement) -> CommandDone | Refused:
        name = settlement.id, settlement.intent
        try:
            answer = self._session.apply(self._ledger.settle_command(settlement))
        except BaseException:
            self._unsaved[name] = settlement
            raise
        self._unsaved.pop(name, None)
        return answer

    def _begin(self, request: EffectRequest, pending: PendingAnswer[EffectAnswer]) -> None:
        try:
            answer = self._ask(request, pending.number, _pause)
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            pending.answer(error)
            return
        if not pending.answer(answer) and answer.intent:
            self.settle_effect(release_of(request, answer))

    def ask(self, request: EffectRequest, wait: Callable[[float], bool]) -> EffectAnswer:
        """Ask for an effect, in this thread. `wait(seconds)` waits for another holder; it returns False to stop waiting.

        Raises:
            BusyError, EffectConflictError, EffectInDoubtError: the effect may not be performed.
            StoreError: the store cannot be used.
        """
        return self._ask(request, next(self._calls), wait)

    def _ask(self, request: EffectRequest, number: int, wait: Callable[[float], bool]) -> EffectAnswer:
        """Ask until the effect is free, done or in doubt, or the wait is over."""
        for settlement in tuple(self._unsaved.values()):
            self._save(settlement)
        if request.scope is not None and not request.scope.is_new:
            self._wait_until_clear(request, request.scope, wait)
        pid = os.getpid()
        command = self._ledger.begin_command(request, EffectHolder(self._session.owner, f"{pid}#{number}"))
        now = time.monotonic()
        until, pause, check_at = now + request.wait_s, FIRST_PAUSE_S, now
        while True:
            answer = self._ledger.read_answer(request, self._session.apply(command))
            if not isinstance(answer, Refused):
                return answer
            if (now := time.monotonic()) >= check_at:  # its holder may be killed, with no supervisor to notice it
                check_at = now + _CHECK_EVERY_S
                if self._session.declare_dead_holders():
                    continue
            remaining_s = until - now
            if remaining_s <= 0 or not wait(min(pause, remaining_s)):
                raise busy_error(answer, request.wait_s)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _wait_until_clear(self, request: EffectRequest, scope: EffectScope, wait: Callable[[float], bool]) -> None:
        """Wait until it is known that a part of an outer effect is no earlier part with other arguments.

        Raises:
            EffectConflictError: it may be one.
        """
        name = scope.prefix, scope.number
        with self._earlier_lock:
            earlier = self._earlier.get(name)
            if earlier is None:
                answer = self._session.apply(ListEarlierEffects(scope.prefix))
                earlier = self._earlier[name] = EarlierEffects(answer.effects, answer.released, scope)
                self._earlier = dict(list(self._earlier.items())[-_MAX_SCOPES:])
        until, pause = time.monotonic() + min(request.wait_s, LONGEST_WAIT_FOR_CALLS_S), FIRST_PAUSE_S
        while (conflict := self._ledger.check_earlier(request, earlier)) is not None:
            remaining_s = until - time.monotonic()
            if remaining_s <= 0 or not wait(min(pause, remaining_s)):
                raise conflict
            pause = min(pause * 2, LONGEST_PAUSE_S)


def _pause(seconds: float) -> bool:
    """Wait; nothing stops the wait for another holder."""
    time.sleep(seconds)
    return True


def _make_unsaved_error(settlement: EffectSettlement, error: StoreError) -> StoreError:
    """Return the error of an outcome that is not saved: it says first whether the effect happened."""
    state, decision = _UNSAVED[settlement.outcome]
    is_refused = error.message.startswith(NOTHING_DONE)
    kind = next((kind for kind in _UNSAVED_ERRORS if isinstance(error, kind)), StoreError)
    return kind(
        f"effect {settlement.key!r} {state}, but its outcome {'is' if is_refused else 'may be'} not on record: "
        f"{error.message.removeprefix(NOTHING_DONE)}",
        hint=f"{error.hint or 'Make the store available.'} The next effect of this program saves the outcome first. "
        f"After its end: {decision.format(key=shlex.quote(settlement.key))}",
    )


def program_effects() -> ProgramEffects:
    """Return the effects of this program.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    return program_session().part(ProgramEffects)
