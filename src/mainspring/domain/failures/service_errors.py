"""Service errors: answers of databases, clouds, mail, brokers and TLS, read out of an exception of their client without importing one.

Each reads the code of the service where the clients store it; the text only if there is no code. Nothing here raises for the value of an
attribute; if the attribute itself raises, the caller catches it.
"""

from datetime import datetime

from mainspring.domain.failures.error_tables import (
    CLOUD_CODES,
    ERROR_CLASSES,
    GRPC_CODES,
    MYSQL_CODES,
    SQLITE_CODES,
    SQLSTATE_CODES,
    TLS_REASONS,
)
from mainspring.domain.failures.http_errors import add_retry_after, find_retry_after, read_attribute, status_verdict
from mainspring.domain.failures.verdict import Verdict, permanent, transient
from mainspring.domain.text.lazy_pattern import lazy_pattern

_AUTH_TEXTS = ("authentication failed", "no pg_hba.conf entry", "no password supplied", "is not permitted to log in")
_MISSING_OBJECT_TEXTS = ("does not exist",)
_REDIS_TEMPORARY_CODES = frozenset(
    {"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN"}
)
"""Answers of a server that fails over, loads or has no replica."""
_REJECTED_SIGN_IN_CODES = frozenset({530, 534, 535, 538})
_AUTH_ERROR_NAME = lazy_pattern(
    "Authentication|Authorization|Unauthori[sz]ed|Forbidden|(?:Access|Permission)(?:Denied|Refused)|(?:Bad|Invalid)(?:Credential|Token|Signature)"
)
_VALIDATION_ERROR_NAME = lazy_pattern("(?:Validation|Schema)(?:Error|Exception)$")
_TEMPORARY_ERROR_NAME = lazy_pattern("Timeout|Unavailable|Pending|Temporar")


def class_verdict(exc: BaseException, now: datetime | None = None) -> Verdict | None:
    """Return the verdict on the class, or the nearest base class, that the table knows or whose name means a refused log-in or value."""
    for cls in type(exc).__mro__:
        root = top_level_module(cls)
        verdict = ERROR_CLASSES.get(f"{root}.{cls.__name__}")
        if (
            verdict is None and root != "builtins"
        ):  # before its bases: a refused log-in of a broker is a ConnectionError too
            verdict = _name_verdict(cls.__name__)
        if verdict is not None:
            return verdict
    return None


def _name_verdict(name: str) -> Verdict | None:
    """Return the verdict on a class name: many libraries name these two alike, and neither may ever be tried again."""
    if _TEMPORARY_ERROR_NAME.search(name):
        return None
    if _AUTH_ERROR_NAME.search(name):
        return permanent("auth")
    return permanent("invalid") if _VALIDATION_ERROR_NAME.search(name) else None


def top_level_module(cls: type) -> str:
    """Return the top-level module of a class."""
    return str(cls.__module__).partition(".")[0]


def database_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the verdict on SQLSTATE, SQLite's result codes, MySQL's numbers, and texts of libpq without a code."""
    for state in (read_attribute(exc, "sqlstate"), read_attribute(exc, "pgcode")):
        if isinstance(state, str) and len(state) == 5:
            known = SQLSTATE_CODES.get(state) or SQLSTATE_CODES.get(state[:2])
            if known is not None:
                return known
    root = next((name for name in map(top_level_module, type(exc).__mro__) if name != "builtins"), "")
    code = (
        read_attribute(exc, "sqlite_errorcode")
        if root == "sqlite3"
        else read_attribute(exc, "result")
        if root == "apsw"
        else None
    )
    if isinstance(code, int):
        return SQLITE_CODES.get(code & 0xFF)
    if root in ("pymysql", "MySQLdb", "mysql"):
        number = read_attribute(exc, "errno") or (exc.args[0] if exc.args else None)
        return MYSQL_CODES.get(number) if isinstance(number, int) else None
    if root in ("sqlite3", "psycopg", "psycopg2", "asyncpg"):
        return _database_text(str(exc).lower())
    return None


def _database_text(text: str) -> Verdict | None:
    """Return the verdict on a text: a refused log-in has no SQLSTATE in libpq, a hand-made SQLite error no code."""
    if any(words in text for words in _AUTH_TEXTS):
        return permanent("auth")
    if "does not support ssl" in text:
        return permanent("tls_protocol")
    if any(words in text for words in _MISSING_OBJECT_TEXTS):
        return permanent("not_found")
    if "is locked" in text:
        return transient("locked")
    return transient("disk_full") if "disk is full" in text else None


def cloud_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the verdict on `exc.response["Error"]["Code"]` of botocore; else on the status beside it."""
    response = read_attribute(exc, "response")
    if not isinstance(response, dict) or not isinstance(response.get("Error"), dict):
        return None
    meta = response.get("ResponseMetadata")
    meta = meta if isinstance(meta, dict) else {}
    code, status = response["Error"].get("Code"), meta.get("HTTPStatusCode")
    verdict = CLOUD_CODES.get(code) if isinstance(code, str) else None
    if verdict is None and isinstance(code, str) and code.isdecimal() and len(code) == 3:
        verdict = status_verdict(int(code))
    if verdict is None and isinstance(status, int):
        verdict = status_verdict(status)
    return verdict and add_retry_after(verdict, find_retry_after(meta.get("HTTPHeaders")), now)


def reply_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the verdict on SMTP's reply numbers, gRPC's `exc.code()`, the first word of Redis, and texts of NATS."""
    root = next(
        (name for name in map(top_level_module, type(exc).__mro__) if name in ("smtplib", "grpc", "nats", "redis")),
        None,
    )
    reply = read_attribute(exc, "smtp_code")
    if isinstance(reply, int) and 400 <= reply < 600:
        return _smtp_verdict(exc, reply)
    refused = read_attribute(exc, "recipients")
    if root == "smtplib" and isinstance(refused, dict):
        numbers = [
            answer[0]
            for answer in refused.values()
            if isinstance(answer, tuple) and answer and isinstance(answer[0], int)
        ]
        # All were refused: one that may be accepted later is reason enough to try again, but never one that needs a log-in.
        first = next((number for number in numbers if number in _REJECTED_SIGN_IN_CODES), None) or min(
            numbers, default=0
        )
        return _smtp_verdict(exc, first) if 400 <= first < 600 else None
    if root == "redis" and str(exc).partition(" ")[0] in _REDIS_TEMPORARY_CODES:
        return transient("unavailable")
    if root == "nats" and "authorization violation" in str(exc).lower():
        return permanent("auth")
    code = read_attribute(exc, "code")
    if root != "grpc" or not callable(code):
        return None
    name = read_attribute(code(), "name")
    return GRPC_CODES.get(name) if isinstance(name, str) else None


def _smtp_verdict(exc: BaseException, reply: int) -> Verdict:
    # The class first: a refused log-in may carry a number that means "later".
    auth = permanent("auth") if reply in _REJECTED_SIGN_IN_CODES else class_verdict(exc)
    return auth or (permanent(f"smtp_{reply}") if reply >= 500 else transient(f"smtp_{reply}"))


def tls_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the verdict on `exc.reason` of TLS: OpenSSL's name of an alert of the other side, or of an answer that it cannot use."""
    reason = read_attribute(exc, "reason")
    if not isinstance(reason, str):
        return None
    if any(top_level_module(cls) == "ssl" for cls in type(exc).__mro__):
        return TLS_REASONS.get(reason.rpartition("_ALERT_")[2])
    # urllib has no class for an address that it cannot use.
    return permanent("invalid") if reason.startswith(("unknown url type", "no host given")) else None
