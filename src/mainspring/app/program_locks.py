"""Locks of a program outside of steps: they belong to the session of the program.

Role: the source of `ms.lock` where no step runs. Each request and each release has a thread of its own: the wait for another holder must
not block a loop. Invariants: a request without waiting code leaves neither a lock nor a place in line; a lock of a session that was
declared dead is lost, and its block ends with an error.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from mainspring.app.program_session import ProgramSession, program_session
from mainspring.domain.errors import FencedError, MainspringError, StoreError
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import LockRequest
from mainspring.resources.locks import CHECK_EVERY_S, WOKEN_EVERY_S, LockSpec, error_of_loss, error_of_refusal
from mainspring.store.commands.automations import CancelLockWait, ReleaseLock
from mainspring.store.commands.results import LockGranted, Refused

T = TypeVar("T")


class _ProgramLock:
    """One request: `session` and `token` once it has the lock (0 = of a session that is lost); `is_cancelled` once no code waits for it."""

    def __init__(self, spec: LockSpec, owner: str) -> None:
        self.spec = spec
        self.owner = owner
        self.session: int | None = None
        self.token = 0
        self.is_cancelled = False


class ProgramLocks:
    """The locks of one program; used from any thread."""

    def __init__(self, session: ProgramSession) -> None:
        self._session = session
        self._numbers = itertools.count(1)
        self._locks: dict[int, _ProgramLock] = {}

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request a lock."""
        request = LockRequest(next(self._numbers))
        lock = self._locks[request.number] = _ProgramLock(spec, f"{self._session.owner} #{request.number}")
        self._run(request, lock, lambda: self._acquire(lock))
        return request

    def unlock(self, number: int) -> PendingAnswer[None] | None:
        """Release a lock, or stop waiting for it; the answer is LockLostError if it was lost."""
        lock = self._locks.pop(number, None)
        if lock is None:
            return None
        with self._session.changed:
            if lock.session is None:
                lock.is_cancelled = True
                self._session.changed.notify_all()
                return None
        pending: PendingAnswer[None] = PendingAnswer(number)
        self._run(pending, lock, lambda: self._release(lock))
        return pending

    def has_lost_lock(self, number: int) -> bool:
        """Whether the session was declared dead since."""
        lock = self._locks.get(number)
        return lock is not None and lock.session is not None and lock.session != self._session.number

    def _run(self, pending: PendingAnswer[T], lock: _ProgramLock, work: Callable[[], T]) -> None:
        def answer() -> None:
            try:
                pending.answer(work())
            except BaseException as error:  # noqa: BLE001 - the waiting code gets it
                pending.answer(error)
                if isinstance(error, StoreError):
                    self._leave(lock)

        threading.Thread(target=answer, name="mainspring-lock", daemon=True).start()

    def _leave(self, lock: _ProgramLock) -> None:
        """Release a lock, or its place in line, once the store is back: its session may live for long."""
        while (session := self._session.number) is not None:
            with contextlib.suppress(MainspringError):
                self._session.apply_in(session, CancelLockWait(lock.spec.name, lock.owner))
                return
            time.sleep(CHECK_EVERY_S)

    def _acquire(self, lock: _ProgramLock) -> LockGranted:
        """Ask until the lock is granted, or the wait is over."""
        until = time.monotonic() + lock.spec.within_s
        check_at = 0.0
        while True:
            command = lock.spec.command(lock.owner, until - time.monotonic())
            with self._session.changed:
                seen = self._session.changes
            sent_at = time.monotonic()
            answer = self._session.apply(command)
            if isinstance(answer, LockGranted):
                with self._session.changed:
                    if not lock.is_cancelled:
                        lock.session, lock.token = self._session.number or 0, answer.token
                        return answer
            if lock.is_cancelled:
                self._session.apply(CancelLockWait(lock.spec.name, lock.owner))
                raise error_of_refusal(Refused("held", f"the wait for lock {lock.spec.name!r} was cancelled"))
            if time.monotonic() >= check_at:  # its holder may be killed, with no supervisor to notice it
                check_at = time.monotonic() + CHECK_EVERY_S
                if self._session.declare_dead_holders():
                    continue
            if isinstance(answer, Refused) and (answer.code != "held" or not command.wait_ms):
                raise error_of_refusal(answer)
            self._session.wait_for_change(seen, min(CHECK_EVERY_S, max(until - time.monotonic(), 0)))
            pause_s = sent_at + WOKEN_EVERY_S - time.monotonic()
            if pause_s > 0:
                time.sleep(min(pause_s, max(until - time.monotonic(), 0)))

    def _release(self, lock: _ProgramLock) -> None:
        """Release a lock in the session that has it."""
        name = lock.spec.name
        try:
            answer = self._session.apply_in(lock.session or 0, ReleaseLock(name, lock.token))
        except FencedError as error:
            raise error_of_loss(f"lock {name!r}", error.message) from error
        if isinstance(answer, Refused):
            raise error_of_loss(f"lock {name!r}", "it was broken, or its session was declared dead")


def program_locks() -> ProgramLocks:
    """Return the locks of this program.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    return program_session().part(ProgramLocks)
