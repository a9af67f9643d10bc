"""From errors to exit codes: the one table, and the errors that only a command line has."""

from typing import Final

from mainspring.domain import errors as e
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.store.base import NotAStoreError, ServerLoginError, StoreDamagedError, StoreGoneError, UnsafeServerError
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
    OK: "done; an empty list too",
    UNEXPECTED: "unexpected failure, or a store that is damaged or gone",
    USAGE: "usage, configuration, or a confirmation is needed",
    NOT_FOUND: "not found",
    NOT_ALLOWED: "not allowed",
    RUN_FAILED: "the run ended failed or cancelled",
    NEEDS_HUMAN: "the run waits for a person",
    TIMED_OUT: "the time-out of a wait ran out",
    CONFLICT: "conflict: lock held, key in use, changed meanwhile",
    CHECK_FAILED: "a check found something (status, doctor, db check, audit-log verify, triggers test, notify test)",
    TRY_AGAIN: "the store is out of reach or full: try again",
    INTERRUPTED: "Ctrl-C",
}


class ConfirmationNeededError(e.MainspringError):
    """The act needs -y where nobody can be asked."""

    code = "confirmation_needed"


class DeclinedError(e.MainspringError):
    """A person said no."""

    code = "declined"


class OutputLostError(e.MainspringError):
    """What a command printed could not be written."""

    code = "output_lost"


def make_output_lost_error(why: OSError) -> OutputLostError:
    """Return the error for output that could not be written; what the command did is done."""
    return OutputLostError(
        f"what was printed could not be written: {why.strerror}",
        hint="What the command had done by then is done. Look where its output goes: is that disk full?",
    )


class WaitTimedOutError(e.MainspringError):
    """The --timeout of a wait ran out."""

    code = "timed_out"


# The first row that fits counts, so the narrower error stands above the wider one.
EXIT_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (WaitTimedOutError, TIMED_OUT),
    (ConfirmationNeededError, USAGE),
    (DeclinedError, USAGE),
    (OutputLostError, UNEXPECTED),
    (e.NotFoundError, NOT_FOUND),
    (e.UnknownNameError, NOT_FOUND),
    (e.ConflictError, CONFLICT),
    (e.FencedError, CONFLICT),
    (e.StoreHeldError, CONFLICT),
    (e.StoreReadOnlyError, NOT_ALLOWED),
    (ServerLoginError, NOT_ALLOWED),
    (StoreDamagedError, UNEXPECTED),
    (StoreGoneError, UNEXPECTED),
    (e.StoreFullError, TRY_AGAIN),
    (e.StoreUnavailableError, TRY_AGAIN),
    (e.BusyError, TRY_AGAIN),
    (e.StoreTooNewError, USAGE),
    (NotAStoreError, USAGE),
    (StoreMovedError, USAGE),
    (UnsafeServerError, USAGE),
    (e.UnsafeSqliteError, USAGE),
    (e.CodecUnavailableError, TRY_AGAIN),
    (RunFailed, RUN_FAILED),
    (e.OptionError, USAGE),
    (e.ConfigError, USAGE),
    (e.ArgumentError, USAGE),
    (e.DefinitionError, USAGE),
    (e.ValueRefusedError, USAGE),
    (KeyboardInterrupt, INTERRUPTED),
)

_RETRYABLE_ERRORS: Final = (
    e.StoreFullError,
    e.StoreUnavailableError,
    e.BusyError,
    e.StoreHeldError,
    e.Transient,
    e.CodecUnavailableError,
)


def find_exit_code(error: BaseException) -> int:
    """Return the exit code that tells of this error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNEXPECTED)


def is_retryable(kind: type[BaseException]) -> bool:
    """Tell whether the same command may succeed when it is given again."""
    return issubclass(kind, _RETRYABLE_ERRORS) and not issubclass(
        kind, StoreDamagedError | StoreGoneError | e.StoreReadOnlyError
    )
