"""The error table: the only one from errors of PostgreSQL and its connections to Mainspring's.

It contains only failures of the server, the connection or its permissions. Other errors (a constraint, a value that
does not fit) belong to one statement and so to one command.
"""

import psycopg

from mainspring.domain.errors import MainspringError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.store.base import PermissionDeniedError, StoreBrokenError

_Fault = tuple[type[MainspringError], str, str]

GRANT = "Grant it: mainspring docs show postgres#a-role-without-the-right-to-change-tables"
_AGAIN = "Mainspring tries again by itself."
_CHECK_SERVER = "Check that the server runs and that store.url is right. Workers try again by themselves."
_UNREACHABLE: _Fault = (StoreUnavailableError, "the database is unreachable", _CHECK_SERVER)
_BUSY: _Fault = (StoreUnavailableError, "the database preferred another transaction", _AGAIN)
_STATES: dict[str, _Fault] = {
    "25006": (
        StoreUnavailableError,
        "the database is a read-only copy now",
        "It failed over: Mainspring looks for the new primary.",
    ),
    "26000": (StoreUnavailableError, "the connection lost a prepared statement", _AGAIN),
    "25P03": (StoreUnavailableError, "the database ended a transaction that was stuck", _AGAIN),
    "40001": _BUSY,
    "40P01": _BUSY,
    "55P03": _BUSY,
    "57014": (StoreUnavailableError, "the database cancelled a statement", _AGAIN),
    "53100": (
        StoreFullError,
        "the disk of the database is full",
        "Free space on it. Then runs of workers continue by themselves; call a script or program again.",
    ),
    "53200": (StoreUnavailableError, "the database has no memory left", _AGAIN),
    "53400": (
        StoreUnavailableError,
        "the database stopped a statement at a limit of its configuration",
        "Raise the limit that it names (temp_file_limit, for example), or free what counts against it.",
    ),
    "53300": (
        StoreUnavailableError,
        "the database accepts no more connections",
        "Raise max_connections, or start fewer workers.",
    ),
    "42501": (
        PermissionDeniedError,
        "this database role may not do that",
        GRANT,
    ),
    "42P01": (StoreBrokenError, "a table of the store is missing", "Run `mainspring db migrate`, or restore a backup."),
    "3F000": (
        StoreBrokenError,
        "the schema of the store is missing",
        "Run `mainspring db migrate`, or restore a backup.",
    ),
}
_CLASSES: dict[str, _Fault] = {
    "08": _UNREACHABLE,
    "57": (StoreUnavailableError, "the database is shutting down or starting", _AGAIN),
    "58": (StoreUnavailableError, "the database reports a system error", _AGAIN),
    "XX": (StoreUnavailableError, "the database reports an internal error", "Read its log."),
}
_ENDS_CONNECTION = frozenset({"25006", "26000", "3F000", "42501", "42P01"})
"""States after which psycopg's list of prepared statements is invalid (it counts those of a failed pipeline), or the
server is.
"""


def translate(fault: Exception, where: str) -> MainspringError | None:
    """Return the error that a fault of the database at `where` means; None if the fault belongs to a statement."""
    if not isinstance(fault, psycopg.Error):
        return None
    if "pipeline mode" in str(fault) and isinstance(fault.__context__, psycopg.Error):
        fault = fault.__context__  # psycopg could not leave the pipeline because of it
    state = fault.sqlstate
    if state is None:
        row = _UNREACHABLE if isinstance(fault, psycopg.OperationalError | psycopg.InterfaceError) else None
    else:
        row = _STATES.get(state) or _CLASSES.get(state[:2])
    if row is None:
        return None
    kind, text, hint = row
    lines = str(fault).strip().splitlines()
    return kind(f"{text}\nat {where}: {lines[0] if lines else type(fault).__name__}", hint=hint)


def statement_error(fault: Exception, where: str) -> MainspringError:
    """Return the same, also for a fault of a statement."""
    return translate(fault, where) or StoreError(f"the server refused a statement\nat {where}: {fault}")


def is_broken_ring(fault: BaseException | None) -> bool:
    """Tell whether the server rolled back a transaction to break a deadlock: nothing of it was done."""
    return isinstance(fault, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)


def ends_connection(fault: BaseException) -> bool:
    """Tell whether a new connection is needed after this fault, although the old one may seem open."""
    return isinstance(fault, psycopg.Error) and fault.sqlstate in _ENDS_CONNECTION
