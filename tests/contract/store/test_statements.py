"""Every statement there is can be run by every database."""

import apsw
import apsw.ext
import psycopg

from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect as connect_postgres
from mainspring.store.postgres.migrate import migrate as migrate_postgres
from mainspring.store.postgres.texts import TEXTS as OF_POSTGRES
from mainspring.store.sqlite.migrate import migrate as migrate_sqlite
from mainspring.store.sqlite.texts import TEXTS as OF_SQLITE
from tests.postgres_server import PostgresServer


def test_sqlite_understands_every_statement() -> None:
    """Each text names tables, columns and functions that are there."""
    connection = apsw.Connection(":memory:")
    migrate_sqlite(connection)
    assert len(OF_SQLITE.names()) > 200
    for name in OF_SQLITE.names():
        apsw.ext.query_info(connection, OF_SQLITE[name])


def test_postgres_understands_every_statement(postgres: PostgresServer) -> None:
    """Each text, shared or its own, is prepared by a real server."""
    address = read_address(postgres.new_store())
    with connect_postgres(address) as connection:
        migrate_postgres(connection, address)
        connection.execute(f"set search_path = {address.schema}")
        refused = {}
        for name in OF_POSTGRES.names():
            answer = connection.pgconn.prepare(b"", OF_POSTGRES[name].encode())
            if answer.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                refused[name] = answer.error_message.decode()
    assert refused == {}
