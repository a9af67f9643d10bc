"""SQL errors: each names the kind of statement, the table and the database, and how to fix it, and never a value.

The message of a server may contain values, so that only its names are used: of the error, the constraint, the column.
"""

import re
from typing import Any

from mainspring.domain.errors import MainspringError, Transient
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.escaping import escape

_MAX_TEXT = 200
_TIMED_OUT = "57014"
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FIXES = {
    "42P01": "Create the table, or fix its name. Names are quoted, so capital letters count.",
    "42703": "Fix the name of the column. Names are quoted, so capital letters count.",
    "42P10": "key= needs a unique index: create unique index on {table} ({key})",
    "42501": "Let the user of the database use the table: grant select, insert, update on {table} to USER",
    "42601": "Fix the statement.",
    "23502": "Give each column that is `not null` a value.",
    "23503": "Insert the row that it refers to first.",
    "23505": "The row conflicts with another unique key than key=. Name that one.",
    "23514": "A `check` of the table refuses the row. See the constraint.",
    "25006": "query() only reads. To write, use insert_once(), upsert() or update_where().",
    "28": "Fix user and password in the address. The password can stay in PGPASSWORD or ~/.pgpass.",
    "3D000": "Create the database, or fix its name in the address.",
    "22": "A value does not fit the type of its column. Compare the types of the values with the table.",
    "55P03": "Another transaction locks the rows. Try again, or raise timeout=.",
    "57014": "The statement took longer than timeout=. Raise it, or make the statement faster.",
    "53100": "Free space on the disk of the database.",
}
_SQLITE_STATES = (
    ("no such table", "42P01"),
    ("no such column", "42703"),
    ("has no column named", "42703"),
    ("ON CONFLICT clause does not match", "42P10"),
    ("NOT NULL constraint", "23502"),
    ("FOREIGN KEY constraint", "23503"),
    ("UNIQUE constraint", "23505"),
    ("CHECK constraint", "23514"),
    ("cannot store", "22"),
    ("datatype mismatch", "22"),
    ("readonly", "25006"),
    ("locked", "55P03"),
    ("busy", "55P03"),
    ("interrupt", "57014"),
    ("disk is full", "53100"),
)


class SqlActionError(MainspringError):
    """A statement failed, and trying again cannot help."""

    code = "sql_action"


class SqlUnavailableError(Transient):
    """A statement failed because the database is away, busy or full: trying again can help."""

    code = "sql_unavailable"


def make_sql_error(
    error: BaseException, kind: str, table: str | None, location: str, key: tuple[str, ...] = ()
) -> MainspringError:
    """Return the error of a failed statement; `kind` such as INSERT, `location` names the database."""
    state, problem = _read_error(error)
    subject = kind if table is None else f"{kind} {table!r}"
    message = f"{subject} failed: {problem}\nin the database {location}"
    hint = _FIXES.get(state) or _FIXES.get(state[:2])
    if hint is not None:
        hint = hint.format(table=table or "TABLE", key=", ".join(key) or "COLUMNS")
    verdict = DEFAULT_CLASSIFIER.classify(error)
    if verdict.kind is FailureKind.TRANSIENT or state == _TIMED_OUT:
        unavailable = SqlUnavailableError(message)
        unavailable.hint = hint
        return unavailable
    return SqlActionError(message, hint=hint)


def _read_error(error: BaseException) -> tuple[str, str]:
    """Return SQLSTATE ("" = none) and the problem, without values."""
    original = getattr(error, "orig", None)
    if type(error).__module__.partition(".")[0] == "sqlalchemy":  # its text has the statement and the values
        module = type(original).__module__
        if isinstance(original, BaseException) and module in ("sqlite3", "psycopg", "psycopg.errors"):
            return _read_error(original)
        return "", type(original or error).__name__
    state = getattr(error, "sqlstate", None)
    if type(error).__module__.partition(".")[0] == "psycopg":
        if state is None:
            return _connection_state(str(error)), escape(str(error).strip().partition("\n")[0], _MAX_TEXT)
        return state, _describe_server_error(error, state)
    text = escape(str(error).partition("\n")[0], _MAX_TEXT) or type(error).__name__
    return next((state for words, state in _SQLITE_STATES if words.lower() in text.lower()), ""), text


def _connection_state(text: str) -> str:
    """Return the SQLSTATE of a login that was refused: libpq has only its text."""
    if "does not exist" in text:
        return "3D000"
    return "28" if "password" in text or "authentication" in text else ""


def _describe_server_error(error: BaseException, state: str) -> str:
    diagnosis: Any = getattr(error, "diag", None)
    name = _WORDS.sub(" ", type(error).__name__).lower()
    names = [
        f"{kind} {found!r}"
        for kind in ("constraint", "column")
        if (found := getattr(diagnosis, f"{kind}_name", None)) is not None
    ]
    if state in ("42P01", "42703", "42883"):  # its text has only names of the statement
        names = [escape(str(getattr(diagnosis, "message_primary", "")), _MAX_TEXT)]
    return f"{name} ({', '.join([*names, f'SQLSTATE {state}'])})"
