"""Empty stores on a server that are used by one test after the other: to make one costs the server a quarter of a second.

Only for tests that work with a store and leave its form alone, and that have closed it when they give it back.
"""

import psycopg

from tests.postgres_server import PostgresServer

_EMPTY = """
do $$
declare
    one record;
    holds boolean;
begin
    set local lock_timeout = '2s';               -- somebody still has it open: it is not lent again
    set local session_replication_role = replica;  -- of an append-only table as well
    for one in
        select c.oid::regclass as name, c.relkind from pg_class c
        where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'S')
    loop
        if one.relkind = 'S' then
            perform setval(one.name, 1, false);
        elsif one.name::text not like '%.meta' then
            execute format('select exists (select from %s)', one.name) into holds;
            if holds then execute format('delete from %s', one.name); end if;
        end if;
    end loop;
    delete from {schema}.meta where key not in ('schema', 'store', 'epoch');
    update {schema}.meta set value = '1' where key = 'epoch';
end $$
"""


class LentStores:
    """Those of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._empty: list[str] = []

    def lend(self) -> str:
        """Return the address of an empty store."""
        return self._empty.pop() if self._empty else self._server.new_store()

    def take_back(self, url: str) -> None:
        """Empty a store; one that cannot be is not lent again."""
        schema = url.partition("schema=")[2]
        try:
            self._server.execute(_EMPTY.format(schema=schema))
        except (psycopg.errors.InvalidSchemaName, psycopg.errors.LockNotAvailable):
            return  # never opened, or still in use
        self._empty.append(url)
