"""Decide from an exception whether trying again can help, and whether it proves that nothing was sent.

The order of the questions: the user's rules, newest first; a group (permanent if any part is, transient if all
parts are); what the exception itself tells (`_RULES`, each reading one table of `fault_tables`); for errors of
libraries that wrap others, what is inside; at last, for an unknown one, the `__cause__` it was raised from.
`__context__` is not followed: it is only what happened to be handled at that time.

Invariants: never raises, whatever the exception or a rule does; no authentication or validation error is
transient; `not_sent` of a group needs it of all parts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from mainspring.domain.errors import BusyError, MainspringError, NotSent, RunFailed, StepFailed, Transient
from mainspring.domain.fault_tables import CLASSES, CLOUD, ERRNO, EXIT, GRPC, MYSQL, SQLITE, SQLSTATE
from mainspring.domain.http_faults import (
    header_of,
    http_verdict,
    parse_retry_after,
    read,
    status_verdict,
    with_retry_after,
)
from mainspring.domain.verdict import Kind, Rule, Verdict, permanent, transient, unknown

__all__ = ["Classifier", "Kind", "Rule", "Verdict", "classify", "classify_exit"]

_DEEPEST = 12
_MOST_PARTS = 100
_WRAPPERS = frozenset(
    "requests urllib3 urllib httpx httpx2 httpcore httpcore2 aiohttp sqlalchemy botocore redis".split()
)
_INSIDE = ("reason", "orig", "os_error", "certificate_error", "__cause__")
_AUTH_TEXTS = ("authentication failed", "no pg_hba.conf entry", "no password supplied", "is not permitted to log in")
_ABSENT_TEXTS = ("does not exist",)


class Classifier:
    """The table, and in front of it the user's rules; immutable."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)

    def extended(self, rule: Rule) -> "Classifier":
        """Return a classifier that asks `rule` before all others. A rule that raises counts as "knows nothing"."""
        return Classifier((rule, *self.rules))

    def classify(self, exc: BaseException, now: datetime | None = None) -> Verdict:
        """Return the verdict; a `Retry-After` that is a date needs `now` (with a time zone)."""
        try:
            return self._look(exc, now, 0)
        except BaseException:  # noqa: BLE001 - whatever its attributes raise, the failure it stands for must be kept
            return unknown()

    def _look(self, exc: BaseException, now: datetime | None, depth: int) -> Verdict:
        """Ask the questions of the module's docstring in their order."""
        if depth > _DEEPEST:
            return unknown()
        for rule in self.rules:
            verdict = _ask(rule, exc)
            if verdict is not None:
                return verdict
        if isinstance(exc, BaseExceptionGroup):
            return _joined([self._look(part, now, depth + 1) for part in exc.exceptions[:_MOST_PARTS]])
        own = _from_table(exc, now)
        if own is None or own.kind is Kind.TRANSIENT:
            own = self._inside(exc, own or unknown(), now, depth)
        cause = exc.__cause__
        if own.kind is Kind.UNKNOWN and own.code == "unknown" and cause is not None:
            return self._look(cause, now, depth + 1)
        return own

    def _inside(self, exc: BaseException, own: Verdict, now: datetime | None, depth: int) -> Verdict:
        """Return the verdict of the first known error that a library's error wraps, else its own."""
        if not any(_root(cls) in _WRAPPERS for cls in type(exc).__mro__):
            return own
        for part in (*(read(exc, name) for name in _INSIDE), *exc.args):
            if isinstance(part, BaseException) and part is not exc:
                found = self._look(part, now, depth + 1)
                if found.kind is not Kind.UNKNOWN:
                    return replace(found, not_sent=found.not_sent or own.not_sent)
        return own


def classify(exc: BaseException, now: datetime | None = None) -> Verdict:
    """Return the verdict of the table alone."""
    return _TABLE.classify(exc, now)


def classify_exit(code: int) -> Verdict:
    """Return what a process's exit code says; negative, or above 128 from a shell, is the signal that ended it."""
    if code < 0 or 128 < code <= 192:
        return unknown("killed_by_signal")
    return EXIT.get(code) or unknown("exit_code")


def _ask(rule: Rule, exc: BaseException) -> Verdict | None:
    """Return the answer of a user's rule, None if it raises."""
    try:
        verdict = rule(exc)
    except Exception:  # noqa: BLE001 - someone else's code: its fault must not change what happens to the step
        return None
    return verdict if isinstance(verdict, Verdict) else None


def _joined(parts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a group."""
    not_sent = all(part.not_sent for part in parts)
    for part in parts:
        if part.kind is Kind.PERMANENT:
            return replace(part, not_sent=not_sent)
    if any(part.kind is not Kind.TRANSIENT for part in parts):
        return unknown()
    waits = [part.retry_after for part in parts if part.retry_after is not None]
    return transient(parts[0].code, retry_after=max(waits, default=None), not_sent=not_sent)


def _from_table(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the first answer of the rules below, None if no table knows the exception."""
    for rule in _RULES:
        verdict = rule(exc, now)
        if verdict is not None:
            return verdict
    return None


def _ours(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Errors of this program, the user's statements among them."""
    if isinstance(exc, Transient):
        after = exc.retry_after if exc.retry_at is None else parse_retry_after(exc.retry_at, now)
        return transient(exc.code, retry_after=after, not_sent=isinstance(exc, NotSent) or exc.not_sent)
    if isinstance(exc, BusyError):
        return transient(exc.code, retry_after=exc.retry_after)
    if isinstance(exc, StepFailed | RunFailed):
        return permanent(exc.failure.code if exc.failure is not None else exc.code)
    if isinstance(exc, MainspringError):
        return _by_class(exc, now) or permanent(exc.code)
    return None


def _process(exc: BaseException, now: datetime | None) -> Verdict | None:
    """A command that ended without success, and `sys.exit()` inside a step."""
    code = exc.code if isinstance(exc, SystemExit) else read(exc, "returncode")
    return classify_exit(code) if isinstance(code, int) else None


def _database(exc: BaseException, now: datetime | None) -> Verdict | None:
    """SQLSTATE, SQLite's result codes, MySQL's numbers, and what libpq says only in words."""
    for state in (read(exc, "sqlstate"), read(exc, "pgcode")):
        if isinstance(state, str) and len(state) == 5:
            known = SQLSTATE.get(state) or SQLSTATE.get(state[:2])
            if known is not None:
                return known
    root = next((name for name in map(_root, type(exc).__mro__) if name != "builtins"), "")
    code = read(exc, "sqlite_errorcode") if root == "sqlite3" else read(exc, "result") if root == "apsw" else None
    if isinstance(code, int):
        return SQLITE.get(code & 0xFF)
    if root in ("pymysql", "MySQLdb", "mysql"):
        number = read(exc, "errno") or (exc.args[0] if exc.args else None)
        return MYSQL.get(number) if isinstance(number, int) else None
    if root in ("sqlite3", "psycopg", "psycopg2", "asyncpg"):
        return _database_text(str(exc).lower())
    return None


def _database_text(text: str) -> Verdict | None:
    """A refused log-in has no SQLSTATE in libpq, a hand-made SQLite error no code: only words."""
    if any(words in text for words in _AUTH_TEXTS):
        return permanent("auth")
    if any(words in text for words in _ABSENT_TEXTS):
        return permanent("not_found")
    if "is locked" in text:
        return transient("locked")
    return transient("disk_full") if "disk is full" in text else None


def _cloud(exc: BaseException, now: datetime | None) -> Verdict | None:
    """`exc.response["Error"]["Code"]` as botocore has it; else the status beside it."""
    response = read(exc, "response")
    if not isinstance(response, dict) or not isinstance(response.get("Error"), dict):
        return None
    meta = response.get("ResponseMetadata")
    meta = meta if isinstance(meta, dict) else {}
    code, status = response["Error"].get("Code"), meta.get("HTTPStatusCode")
    verdict = CLOUD.get(code) if isinstance(code, str) else None
    if verdict is None and isinstance(code, str) and code.isdecimal() and len(code) == 3:
        verdict = status_verdict(int(code))
    if verdict is None and isinstance(status, int):
        verdict = status_verdict(status)
    return verdict and with_retry_after(verdict, header_of(meta.get("HTTPHeaders")), now)


def _remote_call(exc: BaseException, now: datetime | None) -> Verdict | None:
    """gRPC's `exc.code()` and SMTP's reply number."""
    reply = read(exc, "smtp_code")
    if isinstance(reply, int) and 400 <= reply < 600:
        # The class first: a refused log-in may carry a number that means "later".
        auth = permanent("auth") if reply in (530, 534, 535, 538) else _by_class(exc, now)
        return auth or (permanent(f"smtp_{reply}") if reply >= 500 else transient(f"smtp_{reply}"))
    code = read(exc, "code")
    if not callable(code) or not any(_root(cls) == "grpc" for cls in type(exc).__mro__):
        return None
    name = read(code(), "name")
    return GRPC.get(name) if isinstance(name, str) else None


def _by_class(exc: BaseException, now: datetime | None) -> Verdict | None:
    """The class, or the nearest base class that the table knows."""
    for cls in type(exc).__mro__:
        verdict = CLASSES.get(f"{_root(cls)}.{cls.__name__}")
        if verdict is not None:
            return verdict
    return None


def _by_errno(exc: BaseException, now: datetime | None) -> Verdict | None:
    """An operating system error. Resolver and TLS errors use the same attribute for numbers of their own."""
    if not isinstance(exc, OSError) or _root(type(exc)) in ("socket", "ssl"):
        return None
    if exc.errno is None:
        # What asyncio raises when each address of a host refused: only ever while connecting.
        several = type(exc) is OSError and str(exc).startswith("Multiple exceptions: [Errno ")
        return transient("connection_refused", not_sent=True) if several else None
    return ERRNO.get(exc.errno) if isinstance(exc.errno, int) else None


def _root(cls: type) -> str:
    """Return the top-level module of a class."""
    return str(cls.__module__).partition(".")[0]


_RULES: tuple[Callable[[BaseException, datetime | None], Verdict | None], ...] = (
    _process,  # before ours: a failed command is told by its exit code
    _ours,
    http_verdict,
    _database,
    _cloud,
    _remote_call,
    _by_errno,
    _by_class,
)
_TABLE = Classifier()
