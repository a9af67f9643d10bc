"""`ms.lock`: a named lock, in steps, scripts and plain programs, across all that use one store."""

from datetime import timedelta
from typing import TYPE_CHECKING

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import ArgumentError
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.named_lock import LockSource, NamedLock
from mainspring.engine.attempts.step_context import CURRENT_STEP, current_step
from mainspring.resources.locks import LockSpec

if TYPE_CHECKING:
    from mainspring.app.program_locks import ProgramLocks

MAX_SLOTS = 1_000


def lock(name: str, within: str | timedelta = "10m", *, slots: int = 1) -> NamedLock:
    """Return the lock of this name, for a `with` (in an `async def`: an `async with`) around code that one owner may run at a time.

    It is one lock for the whole store: for steps, scripts and programs on all machines, and for `mainspring exec --lock`. Waiters get it in
    their order. `within` is the longest wait; then LockHeldError is raised, which a step's retry policy treats as transient. The attempt's
    own time-out runs during the wait. Up to `slots` owners may hold it at once: all requests of one name have the same number.

    Raises:
        ArgumentError: it cannot be the name of a lock, or the number of its slots.
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
    return NamedLock(LockSpec(name, parse_duration(within).total_seconds(), slots), _find_source)


def _find_source() -> LockSource:
    """Return the channel of the running step, or the locks of this program."""
    step = CURRENT_STEP.get()
    return _open_program() if step is None else step.channel


def _open_program() -> "ProgramLocks":
    """Return the source of code outside of steps; imported only there."""
    from mainspring.app.program_locks import program_locks

    return program_locks()
