"""The block of `ms.lock(name)`: a named lock with a limited number of holders, alike in steps (loop, thread, child) and plain programs.

Invariant: it is released when the `with` ends, when the attempt ends in any way, and when the process dies. None of these stops
the code of a zombie: therefore each holder has a fencing token, higher than all before it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from mainspring.domain.errors import ConflictError, DefinitionError
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import AttemptClosed, LockRequest
from mainspring.resources.locks import LockSpec
from mainspring.store.commands.results import LockGranted


class LockSource(Protocol):
    """The source of the locks of a block: the channel of an attempt, the session of a program, or a backend."""

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request a lock."""
        ...

    def unlock(self, number: int) -> PendingAnswer[None] | None:
        """Release the lock of a request, or stop waiting for it. The answer may be LockLostError; None = there is none to wait for."""
        ...

    def has_lost_lock(self, number: int) -> bool:
        """Whether the lock of a request is lost, as far as this process knows."""
        ...


class NamedLock:
    """A lock that `with` acquires in a `def` and `async with` in an `async def`; each of these acquires it again."""

    def __init__(self, spec: LockSpec, find_source: Callable[[], LockSource]) -> None:
        self.name = spec.name
        self._spec = spec
        self._find_source = find_source
        self._source: LockSource | None = None
        self._granted: LockGranted | None = None
        self._number = 0

    def __repr__(self) -> str:
        return f"<lock {self.name!r}, {'not held' if self._granted is None else f'token {self._granted.token}'}>"

    @property
    def token(self) -> int:
        """The fencing token: pass it on, so that the target can refuse a caller with a lower token than the highest one it has seen.

        Raises:
            ConflictError: the lock is not held.
        """
        return self._require_granted("token").token

    @property
    def slot(self) -> int:
        """The number of the slot that is held, from 1: a target compares the tokens of one slot.

        Raises:
            ConflictError: the lock is not held.
        """
        return self._require_granted("slot").slot

    @property
    def is_lost(self) -> bool:
        """Whether the lock is known to be lost: its lease is over, its connection has ended, or its attempt or session has.

        False is no proof that it is held. Only the fencing token protects the target.
        """
        return self._source is not None and self._source.has_lost_lock(self._number)

    def _require_granted(self, name: str) -> LockGranted:
        if self._granted is None:
            raise ConflictError(f"lock {self.name!r} is not held here", hint=f"Read its {name} inside of the `with`.")
        return self._granted

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            LockHeldError: other owners held it for all of `within`.
            LockSlotsError: others use it with another number of slots.
            ConflictError: this attempt holds it already.
            DefinitionError: in an event loop, which must not be blocked.
        """
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            raise DefinitionError(
                f"lock {self.name!r} would block the event loop", hint=f"Write: async with ms.lock({self.name!r})"
            )
        source = self._find_source()
        request = source.lock(self._spec)
        try:
            self._hold(source, request, request.wait())
        except BaseException:
            self._stop_waiting(source, request)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Release the lock.

        Raises:
            LockLostError: the lock was lost before, and the block raised nothing.
        """
        released = self._release()
        if released is not None:
            with contextlib.suppress(*(() if error is None else (Exception,))):
                released.wait()

    async def __aenter__(self) -> Self:
        """Wait for the lock; raises as `with` does."""
        source = self._find_source()
        request = source.lock(self._spec)
        try:
            self._hold(source, request, await request)
        except BaseException:
            self._stop_waiting(source, request)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Release the lock; raises as `with` does."""
        released = self._release()
        if released is not None:
            with contextlib.suppress(*(() if error is None else (Exception,))):
                await released

    def _release(self) -> PendingAnswer[None] | None:
        source, self._source, self._granted = self._source, None, None
        return None if source is None else source.unlock(self._number)

    def _hold(self, source: LockSource, request: LockRequest, granted: LockGranted) -> None:
        self._source, self._number, self._granted = source, request.number, granted

    @staticmethod
    def _stop_waiting(source: LockSource, request: LockRequest) -> None:
        """Leave the line: the code may have stopped to wait (a cancel, a key press, an error of a signal handler)."""
        with contextlib.suppress(AttemptClosed):
            source.unlock(request.number)
