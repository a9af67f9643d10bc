"""A lock of a backend for the block of `ms.lock(name, backend=...)`.

Role: acquires and releases in threads, because the calls of a backend block. Invariants: the lock lives in the process that runs the
code; the end of the attempt releases it; a request without waiting code leaves no lock.
"""

import contextvars
import functools
import threading
from collections.abc import Callable

from mainspring.domain.runs.log_line import format_iso_instant
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import LockRequest
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock
from mainspring.resources.locks import LockHeldError, LockLostError, LockSpec, error_of_loss
from mainspring.store.commands.results import LockGranted

_THREAD = "mainspring-lock"


class BackendLockSource:
    """The source of one lock. `backend` = its name, `open_lock` returns the lock, not yet acquired."""

    def __init__(self, backend: str, open_lock: Callable[[], BackendLock]) -> None:
        self._backend = backend
        self._name = ""
        self._open_lock = open_lock
        self._lock: BackendLock | None = None
        self._state_lock = threading.Lock()
        self._is_acquiring = self._is_released = False
        self.forget: Callable[[], object] = lambda: None
        """Called once the end of the attempt has nothing to release."""

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request the lock."""
        self._name, self._is_acquiring = spec.name, True
        request = LockRequest(1)
        context = contextvars.copy_context()  # the secret of its address is read for the code that runs now
        run = functools.partial(context.run, self._acquire, spec, request)
        threading.Thread(target=run, name=_THREAD, daemon=True).start()
        return request

    def unlock(self, number: int) -> PendingAnswer[None]:
        """Release the lock, or end its wait; the answer is LockLostError if it was lost."""
        released: PendingAnswer[None] = PendingAnswer(number)

        def release() -> None:
            try:
                released.answer(None if self._release() else self._make_loss())
            except BaseException as error:  # noqa: BLE001 - the waiting code gets it
                released.answer(error)

        threading.Thread(target=release, name=_THREAD, daemon=True).start()
        return released

    def has_lost_lock(self, _number: int) -> bool:
        """Whether the lease is over, or the connection has ended."""
        return self._lock is not None and (self._is_released or self._lock.is_lost())

    def end(self) -> None:
        """Release the lock at the end of its attempt, without blocking."""
        threading.Thread(target=self._release, name=_THREAD, daemon=True).start()

    def _release(self) -> bool:
        """Release the lock once; return False if it was lost before."""
        with self._state_lock:
            lock, is_acquiring = self._lock, self._is_acquiring
            is_released, self._is_released = self._is_released, True
        self.forget()
        if is_released or lock is None:
            return True
        if is_acquiring:
            lock.cancel()  # its thread releases what it got
            return True
        return lock.release()

    def _acquire(self, spec: LockSpec, request: LockRequest) -> None:
        answer: LockGranted | BaseException
        try:
            self._lock = self._open_lock()
            result = None if self._is_released else self._lock.acquire(spec.within_s)
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            answer = error
        else:
            if isinstance(result, BackendHolder):
                answer = _held_error(self._backend, result)
            else:
                answer = self._make_loss() if result is None else LockGranted(result)
        with self._state_lock:
            self._is_acquiring = False
            if isinstance(answer, LockGranted) and self._is_released:
                answer = self._make_loss()
            is_granted = isinstance(answer, LockGranted)
            self._is_released = not is_granted
        is_received = request.answer(answer)
        if not is_granted:
            self.forget()
            if self._lock is not None:
                self._lock.release()
        elif not is_received:
            self._release()

    def _make_loss(self) -> LockLostError:
        reason = "its lease or its connection ended, or it was broken"
        return error_of_loss(f"lock {self._name!r} of backend {self._backend!r}", reason)


def _held_error(backend: str, holder: BackendHolder) -> LockHeldError:
    since = "" if holder.since_at is None else f" since {format_iso_instant(holder.since_at)}"
    until = "released" if holder.until_at is None else f"released, or {format_iso_instant(holder.until_at)}"
    error = LockHeldError(
        f"lock {holder.name!r} of backend {backend!r} is held by {holder.owner}{since}, until {until}"
    )
    error.hint = f"See who holds it: mainspring locks list --backend {backend}"
    return error
