"""Empty stores on a server that are used by one test after the other: to make one costs the server a quarter of a second.

Only for tests that work with a store and leave its form alone, and that have closed it when they give it back.
"""

import psycopg

from tests.postgres_server import PostgresServer

_HELPERS = "lent"
"""The schema of the procedures that empty stores, one for each: no test sees it among what is its own."""
_PARTS = """
select quote_ident(c.relname), c.relkind from pg_class c
where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'S') order by 1
"""


class LentStores:
    """Those of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._empty: list[str] = []
        self._known: set[str] = set()
        self._connection: psycopg.Connection | None = None

    def lend(self) -> str:
        """Return the address of an empty store."""
        return self._empty.pop() if self._empty else self._server.new_store()

    def take_back(self, url: str) -> None:
        """Empty a store; one that cannot be is not lent again."""
        schema = url.partition("schema=")[2]
        connection = self._connected()
        try:
            if schema not in self._known and not self._learn(connection, schema):
                return  # it was never opened
            connection.execute(f"call {_HELPERS}.empty_{schema}()")
        except psycopg.OperationalError:
            return  # still in use, or the test ended all connections to the server
        self._empty.append(url)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> psycopg.Connection:
        """Return a connection that stays: what it knows of the tables of a store is most of what emptying them costs."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._server.url("postgres"), autocommit=True)
            self._connection.execute(f"create schema if not exists {_HELPERS}")
            self._connection.execute("set lock_timeout = '2s'")  # someone still has it open
            self._connection.execute("set session_replication_role = replica")  # of an append-only table as well
        return self._connection

    def _learn(self, connection: psycopg.Connection, schema: str) -> bool:
        """Make the procedure that empties this store; return whether there is one."""
        parts = connection.execute(_PARTS, (schema,)).fetchall()
        if not parts:
            return False
        operations = [
            f"perform setval('{schema}.{name}', 1, false);"
            if kind == "S"
            else f"if exists (select from {schema}.{name}) then delete from {schema}.{name}; end if;"
            for name, kind in parts
            if name != "meta"
        ]
        # The next one to open it gives it a new id: marks that processes of the test before left prove nothing.
        operations.append(
            f"delete from {schema}.meta where key not in ('schema', 'first_migration', 'epoch', 'blobs.open_from', 'files.key');"
        )
        operations.append(f"update {schema}.meta set value = '1' where key = 'epoch';")
        operations.append(f"update {schema}.meta set value = '00000000' where key = 'blobs.open_from';")
        text = (
            f"create procedure {_HELPERS}.empty_{schema}() language plpgsql as $$ begin {' '.join(operations)} end $$"
        )
        connection.execute(text)
        self._known.add(schema)
        return True
