"""The classifier against exceptions labelled by hand, and against hostile ones."""

import asyncio
import concurrent.futures
import errno
import ftplib
import http.client
import json
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import urllib.error
from datetime import UTC, datetime, timedelta
from email.message import Message
from types import SimpleNamespace
from typing import Any

import apsw
import msgspec
import pytest

from mainspring.domain import errors
from mainspring.domain.failures import error_tables
from mainspring.domain.failures.classifier import Classifier, FailureKind, Verdict, classify, classify_exit
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import StepFailed

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
T, P, U = FailureKind.TRANSIENT, FailureKind.PERMANENT, FailureKind.UNKNOWN


def lib(path: str, *bases: type, args: tuple[object, ...] = ("said",), **attributes: object) -> BaseException:
    """Return an exception as a library would raise it, by module and class names only."""
    module, _, name = path.rpartition(".")
    exc = type(name, bases or (Exception,), {"__module__": module})(*args)
    for key, value in attributes.items():
        setattr(exc, key, value)
    return exc


def answer(path: str, status: int, where: str = "response", **headers: str) -> BaseException:
    """Return an exception that carries an HTTP status where the library keeps it."""
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    if where == "response":
        return lib(path, response=SimpleNamespace(status_code=status, headers=names))
    fields: dict[str, Any] = {where: status, "headers": names}
    return lib(path, **fields)


def urllib_error(status: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://a", status, "said", Message(), None)


def caused(exc: BaseException, cause: BaseException) -> BaseException:
    exc.__cause__ = cause
    return exc


def cloud(code: str, status: int = 400) -> BaseException:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lib("botocore.exceptions.ClientError", response=response)


def requests_error(name: str, inner: BaseException) -> BaseException:
    reason = lib("urllib3.exceptions.MaxRetryError", reason=inner)
    return lib(f"requests.exceptions.{name}", OSError, args=(reason,))


def sqlite(call: str) -> BaseException:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.Error) as caught:
        connection.executescript("create table t (a primary key not null); insert into t values (1);" + call)
    return caught.value


def cert() -> ssl.SSLCertVerificationError:
    return ssl.SSLCertVerificationError(1, "self-signed certificate")


def grpc(name: str) -> BaseException:
    return lib("grpc._channel._InactiveRpcError", code=lambda: SimpleNamespace(name=name))


def sqlstate(state: str) -> BaseException:
    return lib("psycopg.errors.SomeError", sqlstate=state)


def exit_with(code: int) -> BaseException:
    return subprocess.CalledProcessError(code, "x")


def os_error(name: str) -> OSError:
    return OSError(getattr(errno, name), name)


REDIS_UNREACHABLE = type("ConnectionError", (Exception,), {"__module__": "redis.exceptions"})
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
LABELLED: list[tuple[BaseException, FailureKind, str, bool]] = [
    # sockets
    (REFUSED, T, "connection_refused", True),
    (ConnectionRefusedError(), T, "connection_refused", True),
    (os_error("ECONNRESET"), T, "connection", False),
    (ConnectionResetError(), T, "connection", False),
    (BrokenPipeError(), T, "connection", False),
    (os_error("EPIPE"), T, "connection", False),
    (os_error("ECONNABORTED"), T, "connection", False),
    (os_error("EHOSTUNREACH"), T, "unreachable", False),
    (os_error("ENETUNREACH"), T, "unreachable", False),
    (os_error("EADDRNOTAVAIL"), T, "connection", True),
    (os_error("ETIMEDOUT"), T, "timeout", False),
    (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1)"), T, "connection_refused", True),
    (asyncio.IncompleteReadError(b"", 3), T, "connection", False),
    (http.client.RemoteDisconnected("x"), T, "connection", False),
    (http.client.IncompleteRead(b""), T, "connection", False),
    (http.client.InvalidURL("x"), P, "invalid", False),
    # DNS, TLS, time-outs
    (socket.gaierror(socket.EAI_NONAME, "x"), T, "dns", True),
    (socket.gaierror(socket.EAI_AGAIN, "x"), T, "dns", True),
    (socket.herror(1, "x"), T, "dns", True),
    (cert(), P, "tls_certificate", True),
    (ssl.SSLError(1, "x"), T, "tls", False),
    (ssl.SSLEOFError(8, "x"), T, "tls", False),
    (TimeoutError(), T, "timeout", False),
    (TimeoutError("x"), T, "timeout", False),
    (concurrent.futures.TimeoutError(), T, "timeout", False),
    (subprocess.TimeoutExpired("x", 3), T, "timeout", False),
    # HTTP statuses
    (answer("requests.exceptions.HTTPError", 400), P, "http_400", False),
    (answer("requests.exceptions.HTTPError", 401), P, "auth", False),
    (answer("requests.exceptions.HTTPError", 403), P, "auth", False),
    (answer("httpx.HTTPStatusError", 404), P, "http_404", False),
    (answer("httpx.HTTPStatusError", 407), P, "auth", False),
    (answer("httpx.HTTPStatusError", 408), T, "http_408", False),
    (answer("httpx.HTTPStatusError", 409), P, "http_409", False),
    (answer("httpx2.HTTPStatusError", 422), P, "http_422", False),
    (answer("httpx2.HTTPStatusError", 425), T, "http_425", False),
    (answer("httpx2.HTTPStatusError", 429), T, "rate_limited", False),
    (answer("aiohttp.client_exceptions.ClientResponseError", 500, "status"), T, "http_500", False),
    (answer("aiohttp.client_exceptions.ClientResponseError", 501, "status"), P, "http_501", False),
    (answer("kubernetes.client.exceptions.ApiException", 502, "status"), T, "http_502", False),
    (answer("openai.APIStatusError", 503, "status_code"), T, "http_503", False),
    (answer("openai.AuthenticationError", 401, "status_code"), P, "auth", False),
    (answer("google.api_core.exceptions.ServiceUnavailable", 503, "code"), T, "http_503", False),
    (urllib_error(504), T, "http_504", False),
    (urllib_error(505), P, "http_505", False),
    (urllib_error(511), P, "auth", False),
    (urllib_error(410), P, "http_410", False),
    (answer("websockets.ConnectionClosed", 503, "code"), U, "unknown", False),
    (answer("httpx.HTTPStatusError", 304), U, "unknown", False),
    # HTTP libraries without an answer
    (requests_error("ConnectionError", lib("urllib3.exceptions.NewConnectionError")), T, "connection", True),
    (requests_error("ConnectionError", lib("urllib3.exceptions.ReadTimeoutError")), T, "connection", False),
    (requests_error("SSLError", lib("urllib3.exceptions.SSLError", args=(cert(),))), P, "tls_certificate", True),
    (lib("mine.Own", type(lib("httpx.ConnectError")), args=(cert(),)), P, "tls_certificate", True),
    (lib("requests.exceptions.ConnectTimeout", OSError), T, "timeout", True),
    (lib("requests.exceptions.Timeout", OSError), T, "timeout", False),
    (lib("requests.exceptions.ChunkedEncodingError", OSError), T, "connection", False),
    (lib("requests.exceptions.MissingSchema", OSError, ValueError), P, "invalid", False),
    (lib("requests.exceptions.TooManyRedirects", OSError), P, "redirects", False),
    (lib("httpx.ConnectError"), T, "connection", True),
    (caused(lib("httpx.ConnectError"), caused(lib("httpcore.ConnectError"), cert())), P, "tls_certificate", True),
    (caused(lib("httpx.ConnectError"), os_error("EHOSTUNREACH")), T, "unreachable", True),
    (lib("httpx.ConnectTimeout"), T, "timeout", True),
    (lib("httpx2.PoolTimeout"), T, "timeout", True),
    (lib("httpx.TimeoutException"), T, "timeout", False),
    (lib("httpx.TransportError"), T, "connection", False),
    (lib("httpx2.UnsupportedProtocol"), P, "invalid", False),
    (lib("httpx.InvalidURL"), P, "invalid", False),
    (lib("aiohttp.client_exceptions.ClientConnectorError", OSError, os_error=REFUSED), T, "connection_refused", True),
    (lib("aiohttp.client_exceptions.ServerTimeoutError"), T, "timeout", False),
    (lib("urllib3.exceptions.ProtocolError"), T, "connection", False),
    (urllib.error.URLError(REFUSED), T, "connection_refused", True),
    (urllib.error.URLError(cert()), P, "tls_certificate", True),
    (urllib.error.URLError("unknown url type: x"), P, "invalid", False),
    # databases
    (sqlstate("08006"), T, "database_unavailable", False),
    (sqlstate("08001"), T, "database_unavailable", True),
    (sqlstate("40001"), T, "serialization", False),
    (sqlstate("40P01"), T, "deadlock", False),
    (sqlstate("53300"), T, "resources", False),
    (sqlstate("53100"), T, "disk_full", False),
    (sqlstate("55P03"), T, "locked", False),
    (sqlstate("57P01"), T, "database_unavailable", False),
    (sqlstate("57P03"), T, "database_unavailable", False),
    (lib("psycopg2.errors.UniqueViolation", pgcode="23505"), P, "integrity", False),
    (sqlstate("28P01"), P, "auth", False),
    (sqlstate("42P01"), P, "bad_query", False),
    (sqlstate("42501"), P, "auth", False),
    (sqlstate("22001"), P, "invalid", False),
    (sqlstate("XX000"), U, "unknown", False),
    (lib("psycopg.OperationalError"), T, "database_unavailable", False),
    (lib("psycopg.OperationalError", args=("FATAL: password authentication failed",)), P, "auth", False),
    (lib("psycopg.OperationalError", args=('database "x" does not exist',)), P, "not_found", False),
    (lib("pymysql.err.OperationalError", args=(1213, "deadlock")), T, "locked", False),
    (lib("pymysql.err.OperationalError", args=(1045, "denied")), P, "auth", False),
    (lib("sqlalchemy.exc.OperationalError", orig=sqlstate("40001")), T, "serialization", False),
    (sqlite3.OperationalError("database is locked"), T, "locked", False),
    (sqlite3.OperationalError("database or disk is full"), T, "disk_full", False),
    (sqlite("insert into t values (1)"), P, "integrity", False),
    (sqlite("select nonsense from t"), P, "bad_query", False),
    (sqlite3.ProgrammingError("closed"), P, "bad_query", False),
    (apsw.BusyError("x"), T, "locked", False),
    (apsw.LockedError("x"), T, "locked", False),
    (apsw.FullError("x"), T, "disk_full", False),
    (apsw.ConstraintError("x"), P, "integrity", False),
    (lib("redis.exceptions.ConnectionError"), T, "connection", False),
    (lib("redis.exceptions.AuthenticationError", REDIS_UNREACHABLE), P, "auth", False),
    # clouds and remote calls
    (cloud("Throttling"), T, "rate_limited", False),
    (cloud("RequestLimitExceeded", 503), T, "rate_limited", False),
    (cloud("AccessDenied", 403), P, "auth", False),
    (cloud("ExpiredToken"), P, "auth", False),
    (cloud("NoSuchKey", 404), P, "not_found", False),
    (cloud("404", 404), P, "http_404", False),
    (cloud("SomethingNew", 503), T, "http_503", False),
    (lib("botocore.exceptions.NoCredentialsError"), P, "auth", False),
    (lib("botocore.exceptions.EndpointConnectionError"), T, "connection", False),
    (grpc("UNAVAILABLE"), T, "unavailable", False),
    (grpc("UNAUTHENTICATED"), P, "auth", False),
    (grpc("INTERNAL"), U, "unknown", False),
    (smtplib.SMTPDataError(451, b"later"), T, "smtp_451", False),
    (smtplib.SMTPDataError(550, b"no"), P, "smtp_550", False),
    (smtplib.SMTPAuthenticationError(454, b"no"), P, "auth", False),
    (smtplib.SMTPServerDisconnected("x"), T, "connection", False),
    (ftplib.error_temp("450"), T, "unavailable", False),
    # commands and files
    (exit_with(75), T, "exit_temporary", False),
    (exit_with(124), T, "timeout", False),
    (exit_with(126), P, "not_executable", False),
    (exit_with(127), P, "command_not_found", False),
    (exit_with(64), P, "exit_refused", False),
    (exit_with(77), P, "auth", False),
    (exit_with(1), U, "exit_code", False),
    (exit_with(-9), U, "killed_by_signal", False),
    (exit_with(137), U, "killed_by_signal", False),
    (SystemExit(75), T, "exit_temporary", False),
    (os_error("ENOSPC"), T, "disk_full", False),
    (os_error("EAGAIN"), T, "busy", False),
    (os_error("EINTR"), T, "busy", False),
    (os_error("EMFILE"), T, "resources", False),
    (os_error("ENOENT"), P, "not_found", False),
    (FileNotFoundError("x"), P, "not_found", False),
    (os_error("EACCES"), P, "permission", False),
    (os_error("EPERM"), P, "permission", False),
    (os_error("EROFS"), P, "read_only", False),
    (os_error("EIO"), U, "unknown", False),
    # mistakes and refused values
    (ValueError(), P, "invalid", False),
    (TypeError(), P, "invalid", False),
    (KeyError("x"), P, "invalid", False),
    (IndexError(), P, "invalid", False),
    (AssertionError(), P, "invalid", False),
    (UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), P, "invalid", False),
    (json.JSONDecodeError("x", "x", 0), P, "invalid", False),
    (AttributeError(), P, "bug", False),
    (NotImplementedError(), P, "bug", False),
    (ModuleNotFoundError(), P, "bug", False),
    (ZeroDivisionError(), P, "bug", False),
    (msgspec.ValidationError("x"), P, "invalid", False),
    (lib("pydantic_core._pydantic_core.ValidationError", ValueError), P, "invalid", False),
    (lib("pydantic.error_wrappers.ValidationError"), P, "invalid", False),
    (MemoryError(), U, "out_of_memory", False),
    (RuntimeError(), U, "unknown", False),
    (KeyboardInterrupt(), U, "unknown", False),
    (Exception(), U, "unknown", False),
    # chains and groups
    (caused(RuntimeError(), REFUSED), T, "connection_refused", True),
    (caused(RuntimeError(), caused(RuntimeError(), urllib_error(401))), P, "auth", False),
    (caused(ValueError(), TimeoutError()), P, "invalid", False),
    (ExceptionGroup("x", [TimeoutError(), ValueError()]), P, "invalid", False),
    (ExceptionGroup("x", [REFUSED, TimeoutError()]), T, "connection_refused", False),
    (ExceptionGroup("x", [REFUSED, ExceptionGroup("y", [REFUSED])]), T, "connection_refused", True),
    (ExceptionGroup("x", [TimeoutError(), RuntimeError()]), U, "unknown", False),
    # ours
    (errors.Transient("x"), T, "transient", False),
    (errors.NotSent("x"), T, "not_sent", True),
    (errors.Permanent("x"), P, "permanent", False),
    (errors.OptionError("x"), P, "bad_option", False),
    (errors.StoreUnavailableError("x"), T, "store_unavailable", False),
    (errors.FencedError("x"), U, "fenced", False),
    (errors.BusyError(timedelta(seconds=3)), T, "busy", False),
    (StepFailed("s", Failure(type="X", code="auth", message="no", kind=P)), P, "auth", False),
]


@pytest.mark.parametrize("case", LABELLED, ids=lambda case: f"{type(case[0]).__name__}-{case[2]}")
def test_classify_agrees_with_each_label(case):
    """Each labelled exception gets its kind, its code and its proof of nothing sent."""
    exc, kind, code, not_sent = case
    verdict = classify(exc)
    assert (verdict.kind, verdict.code, verdict.not_sent) == (kind, code, not_sent)


def test_labelled_exceptions_are_many():
    """The table of labels holds at least the 120 exceptions that the accuracy is promised for."""
    assert len(LABELLED) >= 120


def test_fault_tables_never_call_auth_or_validation_transient():
    """No entry of any table says that a refused log-in or a refused value may be tried again."""
    tables = [table for table in vars(error_tables).values() if isinstance(table, dict)]
    verdicts = [entry for table in tables for entry in table.values() if isinstance(entry, Verdict)]
    never = {"auth", "invalid", "permission", "integrity", "bad_query", "tls_certificate", "bug"}
    assert len(verdicts) > 250
    assert [entry for entry in verdicts if entry.code in never and entry.kind is not P] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", timedelta(seconds=30)),
        ("1.5", timedelta(seconds=1.5)),
        ("0", timedelta(0)),
        ("Mon, 05 Jan 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Mon, 05 Jan 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 40, timedelta(days=365)),
        ("-3", None),
        ("soon", None),
        ("x" * 10_000, None),
    ],
)
def test_retry_after_header_is_read(text, expected):
    """Seconds and HTTP dates are spans from now, nonsense is none."""
    assert classify(answer("httpx.HTTPStatusError", 503, retry_after=text), NOW).retry_after == expected


def test_retry_after_date_needs_now():
    """Without now a date cannot be a span, and the verdict stays the same."""
    exc = answer("httpx.HTTPStatusError", 429, Retry_After="Mon, 05 Jan 2026 12:01:00 GMT")
    assert classify(exc) == Verdict(T, "rate_limited")


def test_retry_after_is_taken_from_our_own_errors():
    """A span or a header's date given to Transient arrives in the verdict."""
    assert classify(errors.Transient("x", retry_after="20m")).retry_after == timedelta(minutes=20)
    dated = errors.Transient("x", retry_after="Mon, 05 Jan 2026 12:01:00 GMT")
    assert classify(dated, NOW).retry_after == timedelta(minutes=1)


def test_classifier_tries_the_newest_rule_first_and_inside_chains():
    """A user's rule wins over the table, the newest over older ones, also for a cause."""
    old = Classifier([lambda exc: Verdict(P, "old") if isinstance(exc, TimeoutError) else None])
    new = Classifier([lambda exc: Verdict(T, "new") if isinstance(exc, TimeoutError) else None, *old.rules])
    assert old.classify(TimeoutError()).code == "old"
    assert new.classify(caused(RuntimeError(), TimeoutError())).code == "new"
    assert new.classify(ValueError()).code == "invalid"


def test_classifier_passes_over_a_rule_that_raises_or_answers_nonsense():
    """A broken rule of a user changes nothing."""
    broken = Classifier([lambda exc: exc.nonsense, lambda exc: "transient"])
    assert broken.classify(TimeoutError()) == classify(TimeoutError())


class _Hostile(Exception):
    def __getattribute__(self, name):
        raise KeyboardInterrupt(name)

    def __str__(self):
        raise RuntimeError


def test_classify_survives_hostile_exceptions_and_cycles():
    """Attributes that raise, and causes that lead back, end in a verdict."""
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert classify(_Hostile()).kind is U
    assert classify(first).kind is U
    assert classify(lib("requests.x.Odd", args=(first,))).kind is U


def test_classify_exit_knows_every_code():
    """Each exit code from -64 to 255 has a verdict, and only two are transient."""
    transient = [code for code in range(-64, 256) if classify_exit(code).kind is T]
    assert transient == [75, 124]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("paramiko.ssh_exception.AuthenticationException", "auth"),
        ("ldap3.core.LDAPUnauthorizedAccess", "auth"),
        ("somewhere.AccessDenied", "auth"),
        ("somewhere.InvalidTokenError", "auth"),
        ("cerberus.SchemaError", "invalid"),
        ("somewhere.OrderValidationError", "invalid"),
    ],
)
def test_classify_hears_a_refused_log_in_or_value_in_the_name_of_a_class(path, code):
    """Of a library that no table knows, even if its classes are connection errors; a time-out of a log-in may pass."""
    assert classify(lib(path)) == Verdict(P, code)
    assert classify(lib(path, ConnectionError)) == Verdict(P, code)
    assert classify(lib("somewhere.AuthenticationTimeout", TimeoutError)).kind is T


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", P, "auth"),
        ("TLSV1_ALERT_UNKNOWN_CA", P, "auth"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", P, "tls_protocol"),
        ("WRONG_VERSION_NUMBER", P, "tls_protocol"),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", T, "tls"),
        ("UNEXPECTED_EOF_WHILE_READING", T, "tls"),
    ],
)
def test_classify_reads_what_the_other_side_of_tls_refused(reason, kind, code):
    """A certificate that it does not take, or a version, stays refused; a record that cannot be read may be a broken line."""
    error = ssl.SSLError(1, f"[SSL: {reason}] said")
    error.reason = reason
    verdict = classify(error)
    assert (verdict.kind, verdict.code) == (kind, code)


@pytest.mark.parametrize(
    "words", ["NOREPLICAS Not enough good replicas", "BUSY Redis is busy running a script", "MISCONF no disk"]
)
def test_redis_that_cannot_just_now_is_tried_again(words):
    """Its client has one class for all that a server says no with; a wrong type is no such thing."""
    import redis

    assert classify(redis.ResponseError(words)).kind is T
    assert classify(redis.ResponseError("WRONGTYPE Operation against a key")).kind is P
