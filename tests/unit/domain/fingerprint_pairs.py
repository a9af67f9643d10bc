"""Pairs of failures, raised by the real libraries where that needs no server, each labelled by hand: one cause or two."""

import csv
import datetime
import decimal
import io
import json
import os
import smtplib
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from functools import partial
from typing import Any, NamedTuple
from xml.etree import ElementTree

import apsw
import httpx
import httpx2
import msgspec
import psycopg
import pydantic
import redis
import requests
from botocore.exceptions import ClientError

from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.attempts.attempt_end import end_with_child_death, end_with_timeout
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.commands.command import CommandEnd
from mainspring.engine.commands.command_result import raise_unless_succeeded

Made = Callable[[], Failure]


class Pair(NamedTuple):
    """Two failures and whether their cause is the same."""

    name: str
    same: bool
    first: Made
    second: Made


def raised(function: Callable[..., Any], *args: Any, **more: Any) -> Made:
    """Return what makes the failure of a call."""

    def make() -> Failure:
        try:
            function(*args, **more)
        except BaseException as error:
            return Failure.of(error, classify(error))
        raise AssertionError(f"{function} raised nothing")

    return make


def throw(error: BaseException) -> None:
    raise error


def elsewhere(made: Made) -> Made:
    """Return what makes the same failure on another machine, in another line."""

    def make() -> Failure:
        found = made()
        frames = [frame.replace(os.path.dirname(__file__), "/other/machine").replace(":", ":1", 1) for frame in found.frames]  # fmt: skip
        return msgspec.structs.replace(found, frames=frames)

    return make


def sql(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(
            "create table t (a primary key not null, b check (b < 9)); insert into t values (1, 1);"
        )
        connection.execute(text)
    finally:
        connection.close()


def apsw_sql(text: str) -> None:
    apsw.Connection(":memory:").execute(text)


def get(library: Any, url: str, status: int) -> None:
    transport = library.MockTransport(lambda request: library.Response(status, request=request))
    with library.Client(transport=transport) as client:
        client.get(url).raise_for_status()


def urllib_status(url: str, status: int) -> None:
    raise urllib.error.HTTPError(url, status, "said", Message(), None)


def refused(port: int) -> None:
    with socket.socket() as listening:
        listening.connect(("127.0.0.1", port))


class Person(pydantic.BaseModel):
    age: int
    size: int = 0


class Row(msgspec.Struct):
    age: int
    size: int = 0


def two_arguments(a: int, b: int) -> None: ...


def attribute(name: str) -> None:
    getattr(None, name)


def undefined(name: str) -> None:
    throw(NameError(f"name {name!r} is not defined"))


def module(text: str) -> None:
    __import__(text)


def ended(tail: str, code: int = 1, word: str = "./backup.sh") -> Made:
    return raised(
        raise_unless_succeeded,
        [word],
        CommandEnd(code=code, timed_out=False, stopped=False, tail=tail, duration_us=1),
        None,
    )


def late(word: str, span: timedelta) -> Made:
    return raised(
        raise_unless_succeeded,
        [word],
        CommandEnd(code=-15, timed_out=True, stopped=False, tail="x", duration_us=1),
        span,
    )


def cloud(code: str, operation: str, message: str) -> Made:
    return raised(throw, ClientError({"Error": {"Code": code, "Message": message}}, operation))


def spec(step: str, attempt: int) -> Any:
    return msgspec.structs.replace(_SPEC, name=step, attempt=attempt)


_SPEC = AttemptSpec(
    run_id="r_1", ident="a#1", name="a", key="k", attempt=1, fn=two_arguments,
    signature=read_signature(two_arguments), timeout=timedelta(seconds=30),
)  # fmt: skip


def timeout_of(step: str, attempt: int) -> Made:
    return lambda: end_with_timeout(spec(step, attempt), 1).failure  # type: ignore[return-value]


def death_of(step: str, attempt: int, code: int, words: str = "") -> Made:
    return lambda: end_with_child_death(spec(step, attempt), code, words, 1).failure  # type: ignore[return-value]


def pg(name_: str, text: str) -> Made:
    return raised(throw, getattr(psycopg.errors, name_)(text))


def same(name_: str, first: Made, second: Made) -> Pair:
    return Pair(f"one-{name_}", True, first, second)


def other(name_: str, first: Made, second: Made) -> Pair:
    return Pair(f"two-{name_}", False, first, second)


_DUPLICATE = 'duplicate key value violates unique constraint "{}"\nDETAIL:  Key (email)=({}) already exists.'
_SSL = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {} (_ssl.c:{})"
_HOST = 'connection failed: connection to server at "{}", port {} failed: {}'
_run = partial(subprocess.run, check=True, capture_output=True)
_py = [sys.executable, "-c"]

PAIRS = [
    # the same, on another machine
    same("machine", raised(int, "x1"), elsewhere(raised(int, "x1"))),
    same("machine-sqlite", raised(sql, "select * from nope"), elsewhere(raised(sql, "select * from nope"))),
    same("machine-httpx", raised(get, httpx, "http://a/1", 503), elsewhere(raised(get, httpx, "http://a/2", 503))),
    # Python
    same("int", raised(int, "abc"), raised(int, "12,5")),
    same("float", raised(float, "abc"), raised(float, "1.2.3")),
    other("int-float", raised(int, "abc"), raised(float, "abc")),
    same("key", raised({}.__getitem__, "customer_812"), raised({}.__getitem__, "ana")),
    same("index", raised([].__getitem__, 3), raised([].__getitem__, 77)),
    other("key-index", raised({}.__getitem__, 3), raised([].__getitem__, 3)),
    other("attribute", raised(attribute, "total"), raised(attribute, "items")),
    other("module", raised(module, "pandas_missing"), raised(module, "numpy_missing")),
    other("name", raised(undefined, "customer"), raised(undefined, "order")),
    other("argument", raised(two_arguments, a=1), raised(two_arguments, b=1)),
    other("type", raised(lambda: sum([1, "a"])), raised(lambda: sum([1, []]))),
    same(
        "assertion",
        raised(throw, AssertionError("expected 3 rows, got 0")),
        raised(throw, AssertionError("expected 12 rows, got 4")),
    ),
    other("assertion-words", raised(throw, AssertionError("no rows")), raised(throw, AssertionError("no columns"))),
    same("decode", raised(b"ab\xff".decode), raised(b"\xfe".decode)),
    other("decode-encode", raised(b"\xff".decode), raised("é".encode, "ascii")),
    same("decimal", raised(decimal.Decimal, "a"), raised(decimal.Decimal, "1,5")),
    same("iso-date", raised(datetime.date.fromisoformat, "yesterday"), raised(datetime.date.fromisoformat, "5.1.2026")),
    same(
        "strptime",
        raised(datetime.datetime.strptime, "05.01.26", "%Y-%m-%d"),
        raised(datetime.datetime.strptime, "x", "%Y-%m-%d"),
    ),
    same("struct", raised(struct.unpack, "<II", b"abc"), raised(struct.unpack, "<II", b"abcde")),
    same(
        "group-order",
        raised(throw, ExceptionGroup("several", [ValueError("a 1"), KeyError("b"), TimeoutError("c")])),
        raised(throw, ExceptionGroup("several", [TimeoutError("c"), ValueError("a 22"), KeyError("x")])),
    ),
    other(
        "group",
        raised(throw, ExceptionGroup("several", [ValueError("a")])),
        raised(throw, ExceptionGroup("several", [KeyError("a")])),
    ),
    # files
    same("missing", raised(open, "/no/2026-01-05/a.csv"), raised(open, "/no/2026-01-06/b.csv")),
    other("missing-folder", raised(open, "/no/such"), raised(open, "/")),
    same(
        "disk",
        raised(throw, OSError(28, "No space left on device", "/a/1")),
        raised(throw, OSError(28, "No space left on device", "/b/2")),
    ),
    other(
        "disk-read-only",
        raised(throw, OSError(28, "No space left on device")),
        raised(throw, OSError(30, "Read-only file system")),
    ),
    same("zip", raised(zipfile.ZipFile, io.BytesIO(b"abc")), raised(zipfile.ZipFile, io.BytesIO(b"xxxxxx"))),
    # formats
    same("json-place", raised(json.loads, '{"a": }'), raised(json.loads, '{"bbb": 1, "c": }')),
    other("json", raised(json.loads, ""), raised(json.loads, '{"a" 1}')),
    same("toml-place", raised(tomllib.loads, "a = "), raised(tomllib.loads, "b = 1\nccc = ")),
    same("xml-place", raised(ElementTree.fromstring, "<a><b></a>"), raised(ElementTree.fromstring, "<a>\n\n<bbb></c>")),
    other("xml", raised(ElementTree.fromstring, ""), raised(ElementTree.fromstring, "<a><b></a>")),
    same("csv", raised(throw, csv.Error("line contains NUL")), raised(throw, csv.Error("line contains NUL"))),
    same("pydantic-value", raised(Person, age="abc"), raised(Person, age="n/a")),
    other("pydantic-field", raised(Person, age="abc"), raised(Person, age=1, size="abc")),
    same(
        "msgspec-place",
        raised(msgspec.json.decode, b'[{"age": "x"}]', type=list[Row]),
        raised(msgspec.json.decode, b'[{"age": 1}, {"age": "y"}]', type=list[Row]),
    ),
    other(
        "msgspec-field",
        raised(msgspec.json.decode, b'{"age": "x"}', type=Row),
        raised(msgspec.json.decode, b'{"age": 1, "size": "x"}', type=Row),
    ),
    # sockets and TLS
    same("refused-port", raised(refused, 1), raised(refused, 2)),
    other("refused-reset", raised(refused, 1), raised(throw, ConnectionResetError(104, "Connection reset by peer"))),
    same(
        "certificate-place",
        raised(throw, ssl.SSLCertVerificationError(1, _SSL.format("self-signed certificate", 1006))),
        raised(throw, ssl.SSLCertVerificationError(1, _SSL.format("self-signed certificate", 992))),
    ),
    other(
        "certificate",
        raised(throw, ssl.SSLCertVerificationError(1, _SSL.format("self-signed certificate", 1006))),
        raised(throw, ssl.SSLCertVerificationError(1, _SSL.format("certificate has expired", 1006))),
    ),
    # HTTP
    same(
        "httpx-id",
        raised(get, httpx, "https://api.shop.org/v1/customers/81", 404),
        raised(get, httpx, "https://api.shop.org/v1/customers/9?x=1", 404),
    ),
    other(
        "httpx-status",
        raised(get, httpx, "https://api.shop.org/a", 404),
        raised(get, httpx, "https://api.shop.org/a", 503),
    ),
    other(
        "httpx-host",
        raised(get, httpx, "https://api.shop.org/a", 503),
        raised(get, httpx, "https://api.bank.org/a", 503),
    ),
    other(
        "httpx-path",
        raised(get, httpx, "https://api.shop.org/orders", 404),
        raised(get, httpx, "https://api.shop.org/customers", 404),
    ),
    same(
        "httpx2-page",
        raised(get, httpx2, "https://api.shop.org/o?page=1", 500),
        raised(get, httpx2, "https://api.shop.org/o?page=2", 500),
    ),
    other(
        "httpx2-status",
        raised(get, httpx2, "https://api.shop.org/o", 401),
        raised(get, httpx2, "https://api.shop.org/o", 400),
    ),
    same("requests-object", raised(requests.get, "http://127.0.0.1:1/a"), raised(requests.get, "http://127.0.0.1:1/a")),
    other("requests-url", raised(requests.get, "http://127.0.0.1:1/a"), raised(requests.get, "htp://127.0.0.1:1/a")),
    same("urllib-url", raised(urllib_status, "http://a/1", 502), raised(urllib_status, "http://a/2", 502)),
    other("urllib-status", raised(urllib_status, "http://a/1", 502), raised(urllib_status, "http://a/1", 403)),
    same(
        "urllib-refused",
        raised(urllib.request.urlopen, "http://127.0.0.1:1"),
        raised(urllib.request.urlopen, "http://127.0.0.1:2/x"),
    ),
    # databases
    other("sqlite-table", raised(sql, "select * from orders"), raised(sql, "select * from customers")),
    same("sqlite-unique", raised(sql, "insert into t values (1, 2)"), raised(sql, "insert into t values (1, 3)")),
    other("sqlite-constraint", raised(sql, "insert into t values (1, 2)"), raised(sql, "insert into t values (2, 20)")),
    same("apsw-syntax", raised(apsw_sql, "selec 1"), raised(apsw_sql, "selec 2")),
    same(
        "postgres-duplicate",
        pg("UniqueViolation", _DUPLICATE.format("users_email_key", "a@x.org")),
        pg("UniqueViolation", _DUPLICATE.format("users_email_key", "b@y.org")),
    ),
    other(
        "postgres-constraint",
        pg("UniqueViolation", _DUPLICATE.format("users_email_key", "a")),
        pg("UniqueViolation", _DUPLICATE.format("orders_number_key", "a")),
    ),
    other(
        "postgres-table",
        pg("UndefinedTable", 'relation "orders" does not exist\nLINE 1: select * from orders'),
        pg("UndefinedTable", 'relation "users" does not exist\nLINE 1: select * from users'),
    ),
    same(
        "postgres-value",
        pg("InvalidTextRepresentation", 'invalid input syntax for type integer: "abc"'),
        pg("InvalidTextRepresentation", 'invalid input syntax for type integer: "n/a"'),
    ),
    same(
        "postgres-deadlock",
        pg(
            "DeadlockDetected",
            "deadlock detected\nDETAIL:  Process 12 waits for ShareLock on transaction 9; blocked by process 7.",
        ),
        pg(
            "DeadlockDetected",
            "deadlock detected\nDETAIL:  Process 99 waits for ExclusiveLock on transaction 3; blocked by process 1.",
        ),
    ),
    same(
        "postgres-address",
        pg("OperationalError", _HOST.format("10.0.0.3", 5432, "Connection refused")),
        pg("OperationalError", _HOST.format("10.0.0.9", 6432, "Connection refused")),
    ),
    other(
        "postgres-reason",
        pg("OperationalError", _HOST.format("10.0.0.3", 5432, "Connection refused")),
        pg("OperationalError", _HOST.format("10.0.0.3", 5432, "server closed the connection unexpectedly")),
    ),
    same(
        "redis-port",
        raised(throw, redis.ConnectionError("Error 111 connecting to cache:6379. Connection refused.")),
        raised(throw, redis.ConnectionError("Error 111 connecting to cache:6380. Connection refused.")),
    ),
    other(
        "redis",
        raised(throw, redis.ConnectionError("Error 111 connecting to cache:6379. Connection refused.")),
        raised(throw, redis.AuthenticationError("invalid username-password pair")),
    ),
    # mail and cloud
    same(
        "smtp-recipient",
        raised(throw, smtplib.SMTPRecipientsRefused({"a@x.org": (550, b"no such user")})),
        raised(throw, smtplib.SMTPRecipientsRefused({"bob@y.org": (550, b"no such user")})),
    ),
    other(
        "smtp",
        raised(throw, smtplib.SMTPDataError(552, b"too large")),
        raised(throw, smtplib.SMTPDataError(451, b"try later")),
    ),
    same(
        "cloud-id",
        cloud("AccessDenied", "PutObject", "user arn:aws:iam::123456789012:user/x (request 4442587FB7D0A2F9)"),
        cloud("AccessDenied", "PutObject", "user arn:aws:iam::999999999999:user/x (request 7D0A2F9444258FB7)"),
    ),
    other("cloud-operation", cloud("AccessDenied", "PutObject", "no"), cloud("AccessDenied", "GetObject", "no")),
    other("cloud-code", cloud("SlowDown", "PutObject", "no"), cloud("NoSuchBucket", "PutObject", "no")),
    # commands
    same(
        "called-process",
        raised(_run, [*_py, "import sys; sys.exit(3) # a"]),
        raised(_run, [*_py, "import sys; sys.exit(3) # b"]),
    ),
    other(
        "called-process-code",
        raised(_run, [*_py, "import sys; sys.exit(77)"]),
        raised(_run, [*_py, "import sys; sys.exit(75)"]),
    ),
    same(
        "command-line",
        ended('x\npg_dump: error: connection to server at "db", port 5432 failed\n'),
        ended('pg_dump: error: connection to server at "db", port 6432 failed\n', word="/opt/b.sh"),
    ),
    same(
        "command-time",
        ended("[2026-01-05 03:00:01] rsync: write failed on /mnt/a (12 files)"),
        ended("[2026-02-07 13:10:41] rsync: write failed on /mnt/b/c (1 file)"),
    ),
    other("command-words", ended("rsync: write failed"), ended("rsync: connection reset")),
    other("command-code", ended("bad", 1), ended("bad", 2)),
    other("command-signal", ended("", -9), ended("", -11)),
    same("command-late", late("/srv/a.sh", timedelta(minutes=20)), late("/srv/a.sh", timedelta(minutes=30))),
    other("command-late-code", late("/srv/a.sh", timedelta(minutes=20)), ended("x", -15)),
    # ours
    same("timeout-attempt", timeout_of("charge", 1), timeout_of("charge", 5)),
    other("timeout-step", timeout_of("charge", 1), timeout_of("ship", 1)),
    same("death-attempt", death_of("charge", 1, -9), death_of("charge", 3, -9)),
    other("death-signal", death_of("charge", 1, -9), death_of("charge", 1, -11)),
    other("death-words", death_of("charge", 1, 1, "no memory"), death_of("charge", 1, 1, "no licence")),
]
