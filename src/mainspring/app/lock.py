"""`ms.lock`: a named lock, in steps, scripts and plain programs, across all that use one store."""

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.named_lock import LockSource, NamedLock
from mainspring.engine.attempts.step_context import CURRENT_STEP, current_step
from mainspring.resources.locks import LockSpec

if TYPE_CHECKING:
    from mainspring.app.program_locks import ProgramLocks

MAX_SLOTS = 1_000


def lock(name: str, within: str | timedelta = "10m", *, slots: int = 1, backend: str | None = None) -> NamedLock:
    """Return the lock of this name, for a `with` (in an `async def`: an `async with`) around code that one owner may run at a time.

    It is one lock for the whole store: for steps, scripts and programs on all machines, and for `mainspring exec --lock`. Waiters get it in
    their order. `within` is the longest wait; then LockHeldError is raised, which a step's retry policy treats as transient. The attempt's
    own time-out runs during the wait. Up to `slots` owners may hold it at once: all requests of one name have the same number.
    `backend` = the name of a server of `[locks]`, for a lock that programs without Mainspring share. It has one slot.

    Raises:
        ArgumentError: it cannot be the name of a lock, or the number of its slots.
        OptionError: a backend has one slot.
        NotInStepError: in the body of a workflow.
    """
    if IN_BODY.get():
        current_step("lock()")
    if not isinstance(name, str) or not is_valid_name(name):
        raise ArgumentError(
            f"ms.lock({escape(repr(name), 60)}): this is not a valid name of a lock",
            hint=f"Use 1 to {MAX_NAME_LENGTH} printable characters in one line, not all of them blank.",
        )
    if isinstance(slots, bool) or not isinstance(slots, int) or not 0 < slots <= MAX_SLOTS:
        raise ArgumentError(
            f"ms.lock({name!r}, slots={escape(repr(slots), 60)}): expected a whole number from 1 to {MAX_SLOTS}"
        )
    spec = LockSpec(name, parse_duration(within).total_seconds(), slots)
    if backend is None:
        return NamedLock(spec, _find_source)
    if slots != 1:
        raise OptionError(
            f"ms.lock({name!r}, slots={slots}, backend={backend!r}): a lock of a backend has one slot",
            hint="Leave out backend= to use a lock of the store, or slots=.",
        )
    return NamedLock(spec, partial(_open_backend, backend, name))


def _find_source() -> LockSource:
    """Return the channel of the running step, or the locks of this program."""
    step = CURRENT_STEP.get()
    return _open_program() if step is None else step.channel


def _open_backend(backend: str, name: str) -> LockSource:
    """Return the source of a lock of a backend; its library is imported only here. The end of the attempt releases it."""
    from mainspring.app.secret import CurrentSecrets
    from mainspring.engine.attempts.backend_lock import BackendLockSource
    from mainspring.resources.lock_backends import LOCK_BACKENDS

    step = CURRENT_STEP.get()
    if step is None:
        from mainspring.app.program_session import program_session

        owner = program_session().owner
    else:
        owner = f"{step.run_id}/{step.name} (attempt {step.attempt})"
    source = BackendLockSource(backend, partial(LOCK_BACKENDS.open_lock, backend, name, owner, CurrentSecrets().get))
    if step is not None:
        source.forget = step.channel.at_end(source.end)
    return source


def _open_program() -> "ProgramLocks":
    """Return the source of code outside of steps; imported only there."""
    from mainspring.app.program_locks import program_locks

    return program_locks()
