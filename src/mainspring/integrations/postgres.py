"""A Postgres queue: an outbox table of the user, into which the user's transactions insert rows.

    create table outbox (id bigint generated always as identity primary key, body jsonb not null);

Rows are read in the order of `id`, without a lock and without a transaction that stays open: two readers read the same rows, and each
counts once by its key. An accepted row is deleted, or gets its `taken_at` if the table has that column. Notifications are only a hint: the
table is also polled every few seconds.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from mainspring.domain.errors import ConfigError, ValueRefusedError
from mainspring.domain.text.escaping import decode_bytes
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import BrokerClient
from mainspring.integrations.base.queue_address import QueueAddressParts

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

CONNECTION_DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4_000,
    "target_session_attrs": "read-write",
    "application_name": "mainspring",
}
"""A dead connection is noticed within about four seconds: well before a lease expires."""
LIBPQ_PARAMETERS = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey"),
    *("connect_timeout", "target_session_attrs", "passfile"),
)
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_TABLE = lazy_pattern(rf"(?:{_IDENTIFIER}\.)?{_IDENTIFIER}", re.ASCII)
_CHANNEL = lazy_pattern(_IDENTIFIER, re.ASCII)
_DATABASE = lazy_pattern(r"[^/]+")
_FETCH_WAIT_S = 2.0
_COLUMNS = (
    "select attname, format_type(atttypid, null) from pg_attribute"
    " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
)


class PostgresSource:
    """One table."""

    def __init__(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> None:
        from psycopg import sql

        self._queue = queue
        self._server = server
        self._reads = group is not None
        self._table = sql.Identifier(*queue.name.split("."))
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._columns: dict[str, str] = {}
        self._resting: dict[Any, float] = {}
        """Rows that were given back, and the time of the loop before which they are not read."""

    async def connect(self) -> None:
        import psycopg
        from psycopg import sql

        settings = {**CONNECTION_DEFAULTS, "application_name": "mainspring-queue"}
        self._connection = await psycopg.AsyncConnection.connect(self._server.url, autocommit=True, **settings)
        quoted = ".".join('"' + part + '"' for part in self._queue.name.split("."))
        found = await self._connection.execute(_COLUMNS, (quoted,))
        self._columns = {str(name): str(kind) for name, kind in await found.fetchall()}
        if not {"id", "body"} <= set(self._columns):
            raise ConfigError(
                f"{self._queue.name!r} in this database is not a table with the columns id and body",
                hint=f"create table {self._queue.name} (id bigint generated always as identity primary key, body jsonb not null)",
            )
        if self._reads:
            await self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(self._queue.detail)))

    async def fetch(self, limit: int) -> list[QueueMessage]:
        found = await self._read(limit)
        if not found:
            assert self._connection is not None
            soonest = min(self._resting.values(), default=float("inf")) - asyncio.get_running_loop().time()
            async for _ in self._connection.notifies(timeout=max(min(soonest, _FETCH_WAIT_S), 0.01), stop_after=1):
                pass
            found = await self._read(limit)
        return found

    async def _read(self, limit: int) -> list[QueueMessage]:
        from psycopg import sql

        assert self._connection is not None
        now = asyncio.get_running_loop().time()
        self._resting = {row: until for row, until in self._resting.items() if until > now}
        named = [name for name in ("headers", "key", "topic", "group_key") if name in self._columns]
        columns = [sql.Identifier("id"), self._readable("body"), *(self._readable(name) for name in named)]
        conditions: list[sql.Composable] = [
            sql.SQL("{} is null").format(sql.Identifier(name)) for name in self._marks()
        ]
        if self._resting:
            conditions.append(sql.SQL("id <> all(%s)"))
        statement = sql.SQL("select {} from {} where {} order by id limit {}").format(
            sql.SQL(", ").join(columns),
            self._table,
            sql.SQL(" and ").join(conditions or [sql.SQL("true")]),
            sql.Literal(limit),
        )
        found = await self._connection.execute(statement, [list(self._resting)] if self._resting else [])
        return [self._message(row[0], row[1], dict(zip(named, row[2:], strict=True))) for row in await found.fetchall()]

    def _readable(self, column: str) -> "sql.Composable":
        """Return a column as bytes or text: JSON as it is written, not as objects of Python."""
        from psycopg import sql

        name = sql.Identifier(column)
        return name if self._columns[column] == "bytea" else sql.SQL("{}::text").format(name)

    def _marks(self) -> list[str]:
        return [name for name in ("taken_at", "refused") if name in self._columns]

    @staticmethod
    def _message(row: Any, body: bytes | str | None, more: dict[str, str | None]) -> QueueMessage:
        return QueueMessage(
            id=more.get("key") or str(row),
            body=body.encode() if isinstance(body, str) else body or b"",
            headers=_headers(more.get("headers") or ""),
            subject=more.get("topic") or "",
            group=more.get("group_key") or "",
            receipt=row,
        )

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Do nothing: no other reader removes the rows."""

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        from psycopg import sql

        await self._end([message.receipt for message in messages], "taken_at", sql.SQL("now()"))

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Write the reason into the column `refused` where there is one; else delete the row."""
        from psycopg import sql

        await self._end([message.receipt], "refused", sql.Literal(reason))

    async def _end(self, rows: list[Any], mark: str, value: "sql.Composable") -> None:
        from psycopg import sql

        assert self._connection is not None
        operation = sql.SQL("delete from {} where id = any(%s)").format(self._table)
        if mark in self._columns:
            operation = sql.SQL("update {} set {} = {} where id = any(%s)").format(
                self._table, sql.Identifier(mark), value
            )
        await self._connection.execute(operation, [rows])

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        self._resting[message.receipt] = asyncio.get_running_loop().time() + after_s

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Insert a row; one with this key that is there already stays, if the column `key` is unique."""
        import psycopg
        from psycopg import sql

        assert self._connection is not None
        row: dict[str, object] = {"body": body if self._columns["body"] == "bytea" else decode_bytes(body)}
        if "key" in self._columns:
            row["key"] = key
        if "headers" in self._columns:
            row["headers"] = msgspec.json.encode(headers).decode()
        values = [sql.SQL("{}::{}").format(sql.Placeholder(), sql.SQL(self._columns[name])) for name in row]
        statement = sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
            self._table, sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(values)
        )
        try:
            await self._connection.execute(statement, list(row.values()))
        except psycopg.DataError as error:
            raise ValueRefusedError(
                f"a row for {self._queue.name!r}", "$", str(error).partition("\n")[0],
                hint=f"Its column body is {self._columns['body']}; bytea accepts everything.",
            ) from None  # fmt: skip
        await self._connection.execute("select pg_notify(%s, '')", [self._queue.detail])

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def _headers(text: str) -> dict[str, str]:
    """Return the headers of a row; a value that is no text is its JSON, and what is no object is none."""
    try:
        headers = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return {}
    if not isinstance(headers, dict):
        return {}
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in headers.items()
    }


class PostgresBroker(BrokerClient):
    """Tables of a PostgreSQL database, with notifications as a hint."""

    name = "postgresql"
    form = "postgresql://USER:{secret:NAME}@HOST:5432/DATABASE?table=TABLE"
    extra = "postgres"
    queue_parameter = "table"

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address. Parameters of libpq stay with the server; without `channel` the table names it."""
        parameters = parts.parameters("table", "channel", *LIBPQ_PARAMETERS)
        table = parameters.get("table", "")
        parts.check_path(_DATABASE)
        parts.check_name(table, _TABLE)
        channel = parameters.get("channel", table.rpartition(".")[2])
        parts.check_detail(channel, _CHANNEL)
        query = "&".join(f"{key}={quote(value)}" for key, value in parameters.items() if key in LIBPQ_PARAMETERS)
        server = f"{parts.server}?{query}" if query else parts.server
        return QueueAddress(broker=self.name, server=server, name=table, detail=channel)

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> PostgresSource:
        """Return the source of a table."""
        import psycopg  # noqa: F401 - a missing library is reported before the first connection

        return PostgresSource(queue, server, group)


BROKER: Final[BrokerClient] = PostgresBroker()
