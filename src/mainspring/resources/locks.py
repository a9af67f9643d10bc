"""Locks of running attempts: requested, awaited, and released in any case.

Role: turns the request of an attempt for a lock into commands of the store, repeated until it has the lock or its time is over. Used in
the loop's thread only. Invariants: a lock belongs to one attempt, so that no other has it at the same time; an attempt that is over leaves
neither a lock nor a place in line; the store keeps the order of waiters, so only the first of this process repeats its request. A process
that dies releases nothing by itself: its session is declared dead.
"""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta

import msgspec

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import ConflictError, MainspringError, Transient
from mainspring.store.base import Store
from mainspring.store.commands.automations import AcquireLock, CancelLockWait, ReleaseLock
from mainspring.store.commands.results import LockGranted, Refused

LockCallback = Callable[[LockGranted | BaseException], None]
"""Called once: with the fencing token, or the error."""
CHECK_EVERY_S = 1.0
"""Seconds after which a waiter asks again although it was not woken."""
WOKEN_EVERY_S = 0.1
"""Seconds between two requests of a waiter that is woken again and again: each commit of a busy store wakes it."""


class LockHeldError(Transient):
    """Another owner held the lock for the whole wait."""

    code = "lock_held"


class LockSlotsError(ConflictError):
    """A lock is used with two numbers of slots at the same time."""

    code = "lock_slots"


class LockLostError(ConflictError):
    """A lock was lost while its block ran: another owner may have had it since."""

    code = "lock_lost"


class LockSpec(msgspec.Struct, frozen=True):
    """One request: the name of the lock, how many may hold it, and the longest wait in seconds."""

    name: str
    within_s: float
    slots: int = 1

    def command(self, owner: str, remaining_s: float, note: str | None = None) -> AcquireLock:
        """Return the command that asks for it; without remaining time it is the last one."""
        wait_ms = max(to_milliseconds(timedelta(seconds=remaining_s)), 1) if remaining_s > 0 else 0
        return AcquireLock(self.name, owner, note, self.slots, wait_ms)


def error_of_refusal(refused: Refused) -> MainspringError:
    """Return the error of a request that was refused for good."""
    if refused.code == "slots":
        return LockSlotsError(
            refused.text,
            hint="Use the same slots= for all requests of one name. The number can change while no one holds the lock.",
        )
    error = LockHeldError(refused.text)
    error.hint = "See who holds it and who waits: mainspring locks list"
    return error


def error_of_loss(lock: str, reason: str) -> LockLostError:
    """Return the error of a block whose lock was lost."""
    return LockLostError(
        f"{lock} was lost during its block: {reason}",
        hint="Another owner may have had it since. Pass lock.token to the target, and let it refuse lower tokens.",
    )


class _PendingLock:
    """One attempt that waits for one lock, or has it (`token`). Without a timer its command is on the way to the store."""

    __slots__ = ("answer", "is_woken", "number", "owner", "sent_at", "spec", "timer", "token", "until")

    def __init__(self, owner: str, number: int, spec: LockSpec, until: float, answer: LockCallback) -> None:
        self.owner = owner
        self.number = number
        self.spec = spec
        self.until = until
        self.answer = answer
        self.timer: asyncio.TimerHandle | None = None
        self.token: int | None = None
        self.is_woken = False
        """Whether the store has changed since its last command."""
        self.sent_at = 0.0


class AttemptLocks:
    """The locks of one worker's attempts. `owner` is a text that identifies the attempt, also for people."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._requests: dict[tuple[str, str], _PendingLock] = {}
        self._is_closed = False

    def request(self, owner: str, number: int, spec: LockSpec, answer: LockCallback) -> None:
        """Acquire a lock for an attempt. `number` is unique among its requests.

        `answer` gets the fencing token; ConflictError if the attempt has the lock, or waits for it, already; LockHeldError after the time;
        LockSlotsError.
        """
        if self._is_closed:
            return
        if (owner, spec.name) in self._requests:
            message = f"this attempt holds lock {spec.name!r} already, or waits for it"
            answer(ConflictError(message, hint="Acquire it once, around all code that needs it."))
            return
        until = self._loop.time() + spec.within_s
        request = self._requests[owner, spec.name] = _PendingLock(owner, number, spec, until, answer)
        self._ask(request, spec.within_s)

    def release(self, owner: str, number: int | None = None) -> None:
        """Release the locks of one request of an attempt, or all of them, and end their waits: these get ConflictError."""
        for key in [
            key
            for key, request in self._requests.items()
            if request.owner == owner and number in (None, request.number)
        ]:
            request = self._requests.pop(key)
            self._stop_timer(request)
            name = request.spec.name
            if request.token is not None:
                self._submit(ReleaseLock(name, request.token))
                self._ask_first(name, at_once=True)  # in the same commit group as the release
            else:
                self._submit(CancelLockWait(name, owner))
                request.answer(ConflictError(f"the wait for lock {name!r} was cancelled"))

    def wake(self) -> None:
        """Ask again for the first waiter of each lock: the store has changed."""
        for name in {request.spec.name for request in self._requests.values() if request.token is None}:
            self._ask_first(name, at_once=False)

    def close(self) -> None:
        """Do nothing more: the end of the session releases the locks."""
        self._is_closed = True
        for request in self._requests.values():
            self._stop_timer(request)
        self._requests.clear()

    def _submit(self, command: ReleaseLock | CancelLockWait) -> None:
        if not self._is_closed:
            self._store.submit(command, lambda _result: None)

    def _ask_first(self, name: str, *, at_once: bool) -> None:
        """Ask for the first waiter of this process: the store passes locks on in the order of its waiters."""
        for request in self._requests.values():
            if request.spec.name == name and request.token is None:
                request.is_woken = True
                if request.timer is not None and at_once:
                    self._ask(request, request.until - self._loop.time())
                elif request.timer is not None:
                    self._schedule_request(request)
                return

    def _schedule_request(self, request: _PendingLock) -> None:
        """Ask now, or when the pause since the last request is over; without a wake-up, after a second or at the end of the wait."""
        self._stop_timer(request)
        pause = min(CHECK_EVERY_S, request.until - self._loop.time())
        if request.is_woken:
            pause = min(pause, request.sent_at + WOKEN_EVERY_S - self._loop.time())
        request.timer = self._loop.call_later(max(pause, 0), self._on_timer, request)

    def _ask(self, request: _PendingLock, remaining_s: float) -> None:
        self._stop_timer(request)
        request.is_woken, request.sent_at = False, self._loop.time()
        command = request.spec.command(request.owner, remaining_s)
        self._store.submit(command, functools.partial(self._on_result, request, is_last=not command.wait_ms))

    def _on_timer(self, request: _PendingLock) -> None:
        """Ask at the end of the wait, or because a hint may be lost."""
        self._ask(request, request.until - self._loop.time())

    def _on_result(
        self, request: _PendingLock, result: LockGranted | Refused | BaseException, *, is_last: bool
    ) -> None:
        key = request.owner, request.spec.name
        if self._requests.get(key) is not request:
            return  # a command that cancels the wait follows
        if isinstance(result, LockGranted):
            request.token = result.token
            request.answer(result)
            if request.spec.slots > 1:
                self._ask_first(request.spec.name, at_once=True)  # several slots may have been passed on at once
        elif isinstance(result, Refused) and result.code == "held" and not is_last:
            self._schedule_request(request)
        else:
            del self._requests[key]
            request.answer(error_of_refusal(result) if isinstance(result, Refused) else result)

    @staticmethod
    def _stop_timer(request: _PendingLock) -> None:
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
