"""Exit codes of errors: the one table, and the errors that only the command line has."""

from typing import Final

from mainspring.domain import errors
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.failures.saved_error import QueryFailed, RunFailed, UpdateFailed
from mainspring.domain.secrets.errors import SecretNotAllowedError, SecretUseError
from mainspring.domain.states import RunState
from mainspring.store.base import (
    NotAStoreError,
    ServerLoginError,
    StoreDamagedError,
    StoreRemovedError,
    UnsafeServerError,
)
from mainspring.store.maintenance.move_marker import StoreMovedError

OK: Final = 0
UNEXPECTED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
NOT_ALLOWED: Final = 4
RUN_FAILED: Final = 5
NEEDS_HUMAN: Final = 6
TIMED_OUT: Final = 7
CONFLICT: Final = 8
CHECK_FAILED: Final = 9
TRY_AGAIN: Final = 75
INTERRUPTED: Final = 130

MEANINGS: Final[dict[int, str]] = {
    OK: "success; also for an empty list",
    UNEXPECTED: "unexpected failure, or a store that is damaged or missing",
    USAGE: "usage, configuration, or a confirmation is needed",
    NOT_FOUND: "not found",
    NOT_ALLOWED: "not allowed",
    RUN_FAILED: "the run ended failed or cancelled",
    NEEDS_HUMAN: "the run waits for a person, or an effect is in doubt",
    TIMED_OUT: "a wait timed out",
    CONFLICT: "conflict: lock held, key in use, or changed by another",
    CHECK_FAILED: "a check found something (status, doctor, deploy check, test crash, test replay, db check, audit-log verify, "
    "triggers test, notify test)",
    TRY_AGAIN: "the store is unavailable or full: try again",
    INTERRUPTED: "Ctrl-C",
}


class ConfirmationNeededError(errors.MainspringError):
    """The operation needs -y if no person can be asked."""

    code = "confirmation_needed"


class DeclinedError(errors.MainspringError):
    """A person declined."""

    code = "declined"


class OutputLostError(errors.MainspringError):
    """The output of a command could not be written."""

    code = "output_lost"


def make_output_lost_error(cause: OSError) -> OutputLostError:
    """Return the error for output that could not be written; the command's effects remain."""
    return OutputLostError(
        f"the output could not be written: {cause.strerror}",
        hint="The command itself has done its work. Check where its output goes: is that disk full?",
    )


class WaitTimedOutError(errors.MainspringError):
    """The --timeout of a wait is over."""

    code = "timed_out"


# The first matching row counts, so the narrower error precedes the wider one.
EXIT_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (WaitTimedOutError, TIMED_OUT),
    (ConfirmationNeededError, USAGE),
    (DeclinedError, USAGE),
    (OutputLostError, UNEXPECTED),
    (errors.NotFoundError, NOT_FOUND),
    (errors.UnknownNameError, NOT_FOUND),
    (EffectInDoubtError, NEEDS_HUMAN),
    (errors.ConflictError, CONFLICT),
    (errors.FencedError, CONFLICT),
    (errors.StoreHeldError, CONFLICT),
    (errors.StoreReadOnlyError, NOT_ALLOWED),
    (ServerLoginError, NOT_ALLOWED),
    (SecretNotAllowedError, NOT_ALLOWED),
    (SecretUseError, UNEXPECTED),
    (errors.FileRefError, UNEXPECTED),
    (StoreDamagedError, UNEXPECTED),
    (StoreRemovedError, UNEXPECTED),
    (errors.StoreFullError, TRY_AGAIN),
    (errors.StoreUnavailableError, TRY_AGAIN),
    (errors.BusyError, TRY_AGAIN),
    (errors.StoreTooNewError, USAGE),
    (NotAStoreError, USAGE),
    (StoreMovedError, USAGE),
    (UnsafeServerError, USAGE),
    (errors.UnsafeSqliteError, USAGE),
    (errors.CodecUnavailableError, TRY_AGAIN),
    (RunFailed, RUN_FAILED),
    (UpdateFailed, RUN_FAILED),
    (QueryFailed, RUN_FAILED),
    (errors.OptionError, USAGE),
    (errors.ConfigError, USAGE),
    (errors.ArgumentError, USAGE),
    (errors.DefinitionError, USAGE),
    (errors.ValueRefusedError, USAGE),
    (KeyboardInterrupt, INTERRUPTED),
)

_RETRYABLE_ERRORS: Final = (
    errors.StoreFullError,
    errors.StoreUnavailableError,
    errors.BusyError,
    errors.StoreHeldError,
    errors.Transient,
    errors.CodecUnavailableError,
)


def find_exit_code(error: BaseException) -> int:
    """Return the exit code for this error."""
    if isinstance(error, RunFailed) and error.state == RunState.NEEDS_ATTENTION:
        return NEEDS_HUMAN
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNEXPECTED)


def is_retryable(kind: type[BaseException]) -> bool:
    """Return whether the same command may succeed if it is repeated."""
    return issubclass(kind, _RETRYABLE_ERRORS) and not issubclass(
        kind, StoreDamagedError | StoreRemovedError | errors.StoreReadOnlyError
    )
