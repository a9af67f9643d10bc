"""PostgreSQL, with a table for each queue."""

import psycopg

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.server import BrokerServer, Sent
from tests.postgres_server import PostgresServer

_TABLE = (
    'create table "{}" (id bigint generated always as identity primary key, key text unique, headers jsonb,'
    " body bytea not null, refused text)"
)


class PostgresTables(BrokerServer):
    name = "postgresql"

    def __init__(self) -> None:
        self._server = PostgresServer()
        self._made = 0

    def start(self) -> BrokerServer:
        self._server.start()
        return self

    def kill(self) -> None:
        self._server.kill()

    def remove(self) -> None:
        self._server.remove()

    async def new_queue(self, *, ordered: bool = False) -> str:
        name = self.new_name()
        self._server.execute(_TABLE.format(name))
        return f"{self._server.url('postgres')}?table={name}"

    async def with_user(self, url: str) -> str:
        self._server.execute(
            "do $$ begin create role app login superuser; exception when duplicate_object then null; end $$"
        )
        return url.replace("://mainspring@", "://app:{secret:BROKER}@")

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            for message in messages:
                words = (message.key, '{"x-odd": [1, null]}', message.body)
                connection.execute(f'insert into "{queue.name}" (key, headers, body) values (%s, %s, %s)', words)  # type: ignore[arg-type]

    async def delete(self, queue: BrokerQueue) -> None:
        self._server.execute(f'drop table "{queue.name}"')

    async def left(self, queue: BrokerQueue, group: str) -> int:
        return self._count(queue, "refused is null")

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        return self._count(queue, "refused is not null")

    def _count(self, queue: BrokerQueue, condition: str) -> int:
        with psycopg.connect(self._server.url("postgres")) as connection:
            row = connection.execute(f'select count(*) from "{queue.name}" where {condition}').fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])
