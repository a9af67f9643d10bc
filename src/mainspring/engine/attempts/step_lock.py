"""The lock of a step, `ms.lock(name)`: a named lock that one attempt has at a time, in loop, thread and child alike.

Invariant: it is released when the `with` ends, when the attempt ends in any way, and when the process dies. None of these stops
the code of a zombie: therefore each holder has a fencing token, higher than all before it.
"""

import asyncio
import contextlib
from datetime import timedelta
from types import TracebackType
from typing import Self

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import ArgumentError, ConflictError, DefinitionError
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name
from mainspring.engine.attempts.attempt_reports import UnlockReport
from mainspring.engine.attempts.step_context import AttemptChannel, AttemptClosed, current_step


class StepLock:
    """A lock that `with` acquires in a `def` step and `async with` in an `async def` one; each of these acquires it again."""

    def __init__(self, name: str, within: timedelta) -> None:
        self.name = name
        self._within_s = within.total_seconds()
        self._token: int | None = None
        self._number = 0
        self._channel: AttemptChannel | None = None

    def __repr__(self) -> str:
        return f"<lock {self.name!r}, {'not held' if self._token is None else f'token {self._token}'}>"

    @property
    def token(self) -> int:
        """The fencing token: pass it on, so that the target can refuse a caller with a lower token than the highest one it has seen.

        Raises:
            ConflictError: the lock is not held.
        """
        if self._token is None:
            raise ConflictError(f"lock {self.name!r} is not held here", hint="Read its token inside of the `with`.")
        return self._token

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            LockHeldError: another owner held it for all of `within`.
            ConflictError: this attempt holds it already.
            DefinitionError: in an event loop, which must not be blocked.
        """
        channel = current_step("lock()").channel
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            raise DefinitionError(
                f"lock {self.name!r} would block the event loop", hint=f"Write: async with ms.lock({self.name!r})"
            )
        request = channel.lock(self.name, self._within_s)
        self._token, self._number = request.wait(), request.number
        self._channel = channel
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Release the lock."""
        channel, self._channel, self._token = self._channel, None, None
        if channel is not None:
            channel.post(UnlockReport(self._number))

    async def __aenter__(self) -> Self:
        """Wait for the lock; raises LockHeldError and ConflictError as `with` does."""
        channel = current_step("lock()").channel
        request = channel.lock(self.name, self._within_s)
        try:
            self._token, self._number = await request, request.number
        except asyncio.CancelledError:
            with contextlib.suppress(AttemptClosed):
                channel.post(UnlockReport(request.number))
            raise
        self._channel = channel
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.__exit__(kind, error, at)


def lock(name: str, within: str | timedelta = "10m") -> StepLock:
    """Return the lock of this name, for a `with` (in an `async def` step: an `async with`) around code that one attempt may run at a time.

    It is one lock for the whole store: for steps on all machines, and for `mainspring exec --lock`. `within` is the longest wait; then
    LockHeldError is raised, which the step's retry policy treats as transient. The attempt's own time-out runs during the wait.

    Raises:
        ArgumentError: it cannot be the name of a lock.
        NotInStepError: no step is running here.
    """
    current_step("lock()")
    if not isinstance(name, str) or not is_valid_name(name):
        raise ArgumentError(
            f"ms.lock({escape(repr(name), 60)}): this is not a valid name of a lock",
            hint=f"Use 1 to {MAX_NAME_LENGTH} printable characters in one line, not all of them blank.",
        )
    return StepLock(name, parse_duration(within))
