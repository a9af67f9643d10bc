"""What clients of databases, brokers and mail servers raise against real servers, and what validators raise."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiormq.exceptions
import apsw
import jinja2
import jsonschema
import msgspec
import nats
import nats.errors
import nats.js.errors
import psycopg
import psycopg.errors
import psycopg_pool
import pydantic
import redis
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.fernet import Fernet
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.free_port import free_port
from tests.unit.domain.corpus import AUTH, OTHER, VALID, Case, P, T, closing


def throw(error: BaseException) -> Any:
    def call() -> None:
        raise error

    return call


# PostgreSQL


def of_postgres(url: str) -> Iterator[Case]:
    """Yield what psycopg raises against a server; `url` is of a database in which anything may be made."""

    def run(*texts: str, **more: Any) -> Any:
        def call() -> None:
            with psycopg.connect(url, autocommit=True, **more) as connection:
                for text in texts:
                    connection.execute(text)  # type: ignore[call-overload]

        return call

    run(
        "create table t (a int primary key, b int not null check (b < 9), c int references t)",
        "insert into t values (1, 1)",
        "create role poor login",
        "create role full_up login connection limit 0",
        "create role locked_out nologin",
    )()

    def locked() -> None:
        with psycopg.connect(url) as holder:
            holder.execute("lock table t")
            run("set lock_timeout = '1ms'", "select * from t")()

    def serialization() -> None:
        with psycopg.connect(url) as first, psycopg.connect(url) as second:
            for each in (first, second):
                each.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
                each.execute("select sum(b) from t")
            first.execute("insert into t values (11, 1)")
            second.execute("insert into t values (12, 1)")
            first.commit()
            second.commit()

    def ended() -> None:
        with psycopg.connect(url) as connection:
            run(f"select pg_terminate_backend({connection.info.backend_pid})")()
            connection.execute("select 1")

    def closed() -> None:
        connection = psycopg.connect(url)
        connection.close()
        connection.execute("select 1")

    def pool_is_empty() -> None:
        with psycopg_pool.ConnectionPool(url, min_size=1, max_size=1) as pool, pool.connection():
            pool.getconn(timeout=0.01)

    yield Case("pg-unique", P, VALID, run("insert into t values (1, 1)"))
    yield Case("pg-not-null", P, VALID, run("insert into t values (2, null)"))
    yield Case("pg-check", P, VALID, run("insert into t values (2, 10)"))
    yield Case("pg-foreign-key", P, VALID, run("insert into t values (2, 1, 77)"))
    yield Case("pg-no-table", P, VALID, run("select * from nope"))
    yield Case("pg-no-column", P, VALID, run("select nope from t"))
    yield Case("pg-syntax", P, VALID, run("selec 1"))
    yield Case("pg-text-as-int", P, VALID, run("select 'a'::int"))
    yield Case("pg-out-of-range", P, VALID, run("select 99999999999::int"))
    yield Case("pg-division", P, VALID, run("select 1 / 0"))
    yield Case("pg-raise", P, OTHER, run("do $$ begin raise 'our own'; end $$"))
    yield Case("pg-locked", T, OTHER, locked)
    yield Case("pg-statement-timeout", T, OTHER, run("set statement_timeout = '1ms'", "select pg_sleep(9)"))
    yield Case("pg-serialization", T, OTHER, serialization)
    yield Case("pg-terminated", T, OTHER, ended)
    yield Case("pg-closed", T, OTHER, closed)
    yield Case("pg-pool", T, OTHER, pool_is_empty)
    yield Case("pg-read-only", P, OTHER, run("set default_transaction_read_only = on", "create table x (a int)"))
    yield Case("pg-no-rights", P, AUTH, run("select * from t", user="poor"))
    yield Case("pg-no-role", P, AUTH, run(user="nobody_of_this_name"))
    yield Case("pg-no-login", P, AUTH, run(user="locked_out"))
    yield Case("pg-no-database", P, OTHER, run(dbname="nope"))
    yield Case("pg-too-many", T, OTHER, run(user="full_up"))
    yield Case("pg-refused", T, OTHER, run(host="127.0.0.1", port=1))
    yield Case("pg-no-host", T, OTHER, run(host="nosuch.invalid"))
    yield Case("pg-no-tls", P, OTHER, run(sslmode="require"))
    yield Case("pg-bad-url", P, VALID, lambda: psycopg.connect("no such option"))
    yield Case("pg-parameter", P, VALID, lambda: psycopg.connect(url).execute("select %s", ({1, 2}.__iter__(),)))
    yield Case("pg-place-holder", P, VALID, lambda: psycopg.connect(url).execute("select %s %s", (1,)))
    # what a server says of a log-in that none of ours refuses
    yield Case(
        "pg-password",
        P,
        AUTH,
        throw(psycopg.OperationalError('connection failed: FATAL:  password authentication failed for user "bob"')),
    )
    yield Case(
        "pg-hba",
        P,
        AUTH,
        throw(psycopg.OperationalError('FATAL:  no pg_hba.conf entry for host "10.0.0.3", user "bob", database "x"')),
    )
    for name, kind in (
        ("DeadlockDetected", T),
        ("CannotConnectNow", T),
        ("CrashShutdown", T),
        ("DiskFull", T),
        ("OutOfMemory", T),
    ):
        yield Case(f"pg-{name}", kind, OTHER, throw(getattr(psycopg.errors, name)("said")))


# other databases


def of_apsw(folder: Path) -> Iterator[Case]:
    """Yield what apsw raises."""

    def run(text: str, values: Any = (), **more: Any) -> Any:
        def call() -> None:
            with closing(apsw.Connection(":memory:", **more)) as connection:
                connection.execute("create table t (a integer primary key not null) strict; insert into t values (1)")
                connection.execute(text, values)

        return call

    def busy() -> None:
        path = str(folder / "apsw.db")
        with closing(apsw.Connection(path)) as first, closing(apsw.Connection(path)) as second:
            first.execute("create table t (a); begin immediate")
            second.execute("begin immediate")

    def refused() -> None:
        with closing(apsw.Connection(":memory:")) as connection:
            connection.authorizer = lambda *_: apsw.SQLITE_DENY
            connection.execute("select 1")

    yield Case("apsw-busy", T, OTHER, busy)
    yield Case("apsw-constraint", P, VALID, run("insert into t values (1)"))
    yield Case("apsw-type", P, VALID, run("insert into t values ('a')"))
    yield Case("apsw-syntax", P, VALID, run("selec 1"))
    yield Case("apsw-bind", P, VALID, run("select ?", ({},)))
    yield Case("apsw-denied", P, AUTH, refused)
    yield Case("apsw-no-folder", P, OTHER, lambda: apsw.Connection("/no/such/folder/a.db"))


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


def of_redis(port: int) -> Iterator[Case]:
    """Yield what redis-py raises against a server without a password."""

    def do(*words: Any, **more: Any) -> Any:
        def call() -> None:
            with redis.Redis(**{"port": port, "retry": _once(), **more}) as client:
                client.execute_command(*words)

        return call

    with redis.Redis(port=port) as client:
        client.set("word", "x")
        client.execute_command("ACL", "SETUSER", "poor", "on", ">p", "~*", "+get")

    def slow() -> None:
        with redis.Redis(port=port, socket_timeout=0.01, retry=_once()) as client:
            client.blpop("nothing", 5)

    def lost_race() -> None:
        with redis.Redis(port=port) as client, client.pipeline() as pipe:
            pipe.watch("raced")
            client.set("raced", 1)
            pipe.multi()
            pipe.set("raced", 2)
            pipe.execute()

    def pool_is_empty() -> None:
        pool = redis.ConnectionPool(port=port, max_connections=1)
        pool.get_connection()
        pool.get_connection()

    yield Case("redis-wrong-type", P, VALID, do("LPUSH", "word", 1))
    yield Case("redis-no-number", P, VALID, do("INCR", "word"))
    yield Case("redis-no-command", P, VALID, do("NOPE"))
    yield Case("redis-data", P, VALID, do("SET", "a", {}))
    yield Case("redis-no-script", P, OTHER, do("EVALSHA", "0" * 40, 0))
    yield Case("redis-password", P, AUTH, do("PING", username="poor", password="wrong"))
    yield Case("redis-rights", P, AUTH, do("SET", "a", 1, username="poor", password="p"))
    yield Case("redis-refused", T, OTHER, do("PING", port=1))
    yield Case("redis-host", T, OTHER, do("PING", host="nosuch.invalid"))
    yield Case("redis-slow", T, OTHER, slow)
    yield Case("redis-race", T, OTHER, lost_race)
    yield Case("redis-pool", T, OTHER, pool_is_empty)
    yield Case(
        "redis-read-only",
        T,
        OTHER,
        throw(redis.exceptions.ReadOnlyError("You can't write against a read only replica.")),
    )
    yield Case(
        "redis-loading", T, OTHER, throw(redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"))
    )
    yield Case(
        "redis-full",
        T,
        OTHER,
        throw(redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")),
    )
    yield Case("redis-cluster-down", T, OTHER, throw(redis.exceptions.ClusterDownError("The cluster is down")))


# brokers


def of_nats(port: int) -> Iterator[Case]:
    """Yield what nats-py raises; the server knows a user `app`, whose password no one here has."""

    def with_client(act: Any, **more: Any) -> Any:
        async def call() -> None:
            options = {
                "allow_reconnect": False,
                "connect_timeout": 1,
                "max_reconnect_attempts": 1,
                "reconnect_time_wait": 0,
                "error_cb": _ignore,
                **more,
            }
            client = await nats.connect(options.pop("url", f"nats://127.0.0.1:{port}"), **options)
            try:
                await act(client)
            finally:
                await client.close()

        return lambda: asyncio.run(call())

    async def nothing(client: Any) -> None: ...

    async def request_without_responders(client: Any) -> None:
        await client.request("nobody.listens", b"", timeout=1)

    async def no_answer(client: Any) -> None:
        await client.subscribe("silent")
        await client.request("silent", b"", timeout=0.01)

    async def too_large(client: Any) -> None:
        await client.publish("a", b"x" * (9 * 1024 * 1024))

    async def bad_subject(client: Any) -> None:
        await client.subscribe("a b")

    async def no_stream(client: Any) -> None:
        await client.jetstream().stream_info("nope")

    async def closed(client: Any) -> None:
        await client.close()
        await client.publish("a", b"")

    yield Case("nats-refused", T, OTHER, with_client(nothing, url="nats://127.0.0.1:1"))
    yield Case("nats-password", P, AUTH, with_client(nothing, user="app", password="wrong"))
    yield Case("nats-nobody", T, OTHER, with_client(request_without_responders))
    yield Case("nats-slow", T, OTHER, with_client(no_answer))
    yield Case("nats-too-large", P, VALID, with_client(too_large))
    yield Case("nats-subject", P, VALID, with_client(bad_subject))
    yield Case("nats-no-stream", P, OTHER, with_client(no_stream))
    yield Case("nats-closed", T, OTHER, with_client(closed))
    yield Case("nats-authorization", P, AUTH, throw(nats.errors.AuthorizationError()))


async def _ignore(error: Exception) -> None:
    """Take what the client tells beside what it raises."""


def of_amqp() -> Iterator[Case]:
    """Yield errors of aiormq; the server that raises them is far larger than what is looked at."""
    refused = aiormq.exceptions
    yield Case("amqp-password", P, AUTH, throw(refused.AuthenticationError("ACCESS_REFUSED", "PLAIN")))
    yield Case("amqp-log-in", P, AUTH, throw(refused.ProbableAuthenticationError("ACCESS_REFUSED - Login was refused")))
    yield Case("amqp-rights", P, AUTH, throw(refused.ChannelAccessRefused(403, "ACCESS_REFUSED")))
    yield Case("amqp-no-queue", P, OTHER, throw(refused.ChannelNotFoundEntity(404, "NOT_FOUND - no queue 'a'")))
    yield Case("amqp-declared-otherwise", P, VALID, throw(refused.ChannelPreconditionFailed(406, "inequivalent arg")))
    yield Case("amqp-held", T, OTHER, throw(refused.ChannelLockedResource(405, "RESOURCE_LOCKED")))
    yield Case("amqp-closed", T, OTHER, throw(refused.ConnectionClosed(320, "CONNECTION_FORCED")))
    yield Case("amqp-away", T, OTHER, throw(refused.AMQPConnectionError("x")))


# mail


class _Mail:
    """Answers to recipients, senders and contents as their names say."""

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if not address.startswith("ana"):
            return "553 5.1.8 sender is not known"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = {
            "none": "550 5.1.1 no such user",
            "full": "452 4.2.2 mailbox full",
            "grey": "451 4.7.1 try again later",
            "login": "530 5.7.0 log in first",
        }
        name = address.partition("@")[0]
        if name in reply:
            return reply[name]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        content = envelope.content.decode()
        if "large" in content:
            return "552 5.3.4 too large"
        return "451 4.3.0 out of order" if "later" in content else "250 OK"


class MailWorld:
    """Two servers: one that takes mail from anyone, one only after a log-in that it always refuses."""

    def __init__(self) -> None:
        self._open = Controller(_Mail(), hostname="127.0.0.1", port=free_port())
        self._closed = Controller(
            _Mail(), hostname="127.0.0.1", port=free_port(), auth_required=True, auth_require_tls=False,
            authenticator=lambda *_: AuthResult(success=False, handled=False),
        )  # fmt: skip
        for server in (self._open, self._closed):
            server.start()
        self.open = self._open.port
        self.closed = self._closed.port

    def close(self) -> None:
        for server in (self._open, self._closed):
            server.stop()


def of_mail(world: MailWorld) -> Iterator[Case]:
    """Yield what smtplib raises."""

    def send(to: str = "bob@x.org", sender: str = "ana@x.org", text: str = "x", port: int = world.open) -> Any:
        def call() -> None:
            message = EmailMessage()
            message.set_content(text)
            with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
                client.send_message(message, sender, to.split(","))

        return call

    def log_in(port: int) -> Any:
        def call() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
                client.login("a", "b")

        return call

    def start_tls() -> None:
        with smtplib.SMTP("127.0.0.1", world.open, timeout=5) as client:
            client.starttls()

    def unconnected() -> None:
        smtplib.SMTP().noop()

    yield Case("smtp-no-user", P, VALID, send("none@x.org"))
    yield Case("smtp-no-users", P, VALID, send("none@x.org,none@y.org"))
    yield Case("smtp-grey", T, OTHER, send("grey@x.org"))
    yield Case("smtp-mailbox-full", T, OTHER, send("full@x.org"))
    yield Case("smtp-one-later", T, OTHER, send("none@x.org,grey@x.org"))
    yield Case("smtp-log-in-first", P, AUTH, send("login@x.org"))
    yield Case("smtp-sender", P, VALID, send(sender="eve@x.org"))
    yield Case("smtp-too-large", P, VALID, send(text="large"))
    yield Case("smtp-data-later", T, OTHER, send(text="later"))
    yield Case("smtp-auth-required", P, AUTH, send(port=world.closed))
    yield Case("smtp-password", P, AUTH, log_in(world.closed))
    yield Case("smtp-no-auth", P, OTHER, log_in(world.open))
    yield Case("smtp-no-tls", P, OTHER, start_tls)
    yield Case("smtp-unconnected", T, OTHER, unconnected)
    yield Case("smtp-refused", T, OTHER, lambda: smtplib.SMTP("127.0.0.1", 1))
    yield Case("smtp-host", T, OTHER, lambda: smtplib.SMTP("nosuch.invalid", 25))
    yield Case(
        "smtp-tls-on-plain",
        P,
        OTHER,
        lambda: smtplib.SMTP_SSL("127.0.0.1", world.open, context=ssl.create_default_context()),
    )
    yield Case("smtp-address", P, VALID, lambda: EmailMessage().add_header("To", "bob@x.org\nx"))
    yield Case("smtp-busy", T, OTHER, throw(smtplib.SMTPConnectError(421, b"too many connections")))


# validators


class _Person(pydantic.BaseModel):
    age: int


class _Row(msgspec.Struct):
    age: int


def of_validators() -> Iterator[Case]:
    """Yield what is raised of values and templates that are wrong."""
    yield Case("pydantic", P, VALID, lambda: _Person.model_validate({"age": "x"}))
    yield Case("msgspec", P, VALID, lambda: msgspec.json.decode(b'{"age": "x"}', type=_Row))
    yield Case("msgspec-text", P, VALID, lambda: msgspec.json.decode(b"{"))
    yield Case("jsonschema", P, VALID, lambda: jsonschema.validate("a", {"type": "integer"}))
    yield Case("jsonschema-schema", P, VALID, lambda: jsonschema.Draft202012Validator.check_schema({"type": 3}))
    yield Case("yaml", P, VALID, lambda: yaml.safe_load("a: [1"))
    yield Case("yaml-tag", P, VALID, lambda: yaml.safe_load("!!python/object:a.B {}"))
    yield Case("jinja-syntax", P, VALID, lambda: jinja2.Template("{% if %}"))
    yield Case("jinja-missing", P, VALID, lambda: jinja2.Template("{{ a.b.c }}").render())
    yield Case(
        "jinja-no-template", P, OTHER, lambda: jinja2.Environment(loader=jinja2.DictLoader({})).get_template("a")
    )
    yield Case("fernet-token", P, AUTH, lambda: Fernet(Fernet.generate_key()).decrypt(b"x"))
    yield Case("signature", P, AUTH, throw(InvalidSignature()))
    yield Case("seal", P, AUTH, throw(InvalidTag()))
