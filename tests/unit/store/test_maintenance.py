"""A whole store copied row by row between a file and a server, with rows of every table that hold whatever their columns can."""

import contextlib
import random
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from mainspring.store import failpoints
from mainspring.store.base import StoreBrokenError
from mainspring.store.maintenance import table_rows
from mainspring.store.maintenance.row_copy import compare, copy
from mainspring.store.maintenance.table_rows import CARRIED_META, COUNTED, RowSource, RowTarget, Table
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.connection import ServerConnection, connect
from mainspring.store.postgres.migrate import migrate as migrate_schema
from mainspring.store.postgres.table_rows import PostgresRows
from mainspring.store.sqlite.connection import connect as connect_file
from mainspring.store.sqlite.migrate import migrate as migrate_file
from mainspring.store.sqlite.table_rows import SqliteRows
from tests.postgres_server import PostgresServer

_LETTERS = "aB9 '\"\\\t\n%_?$1é漢😀\u0301\u2028\x01\x7f"


class Cut(BaseException):
    """The process ends here."""


def _silent(_: str) -> None:
    """No one listens."""


class Rows:
    """Values for columns, different in each row."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def value(self, kind: str, number: int, *, needed: bool, part_of_key: bool) -> Any:
        if part_of_key:
            return number if kind == "INTEGER" else f"{number}:{self._text()}"
        if not needed and self._rng.random() < 0.3:
            return None
        if kind == "INTEGER":
            return self._rng.choice([0, 1, -1, 2**63 - 1, -(2**63), self._rng.getrandbits(40)])
        if kind == "BLOB":
            return self._rng.randbytes(self._rng.choice([0, 1, 7, 300]))
        return f"{number}:{self._text()}"  # some are unique by themselves

    def _text(self) -> str:
        return "".join(self._rng.choice(_LETTERS) for _ in range(self._rng.randrange(12)))


def fill(connection: apsw.Connection, seed: int, most: int = 12) -> None:
    """Put rows into every table."""
    rows = Rows(seed)
    tables = connection.execute(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and name <> 'meta'"
    ).fetchall()
    for (name,) in tables:
        unique = list_last_columns(connection, str(name))
        columns = [
            (c[1], c[2].upper(), bool(c[3]), bool(c[5]) or c[1] in unique)
            for c in connection.execute(f"pragma table_info({name})")
        ]
        for number in range(1, most):
            values = [rows.value(kind, number, needed=needed, part_of_key=key) for _, kind, needed, key in columns]
            names = ", ".join(f'"{column[0]}"' for column in columns)
            connection.execute(f"insert into {name} ({names}) values ({', '.join('?' * len(values))})", values)
    connection.execute(
        "insert into meta values ('store', 'this one'), ('epoch', '3'), ('held', '1'), ('decided:1:r', 'done')"
    )
    connection.execute("update queues set backlog = abs(backlog % 100)")
    connection.execute("update sqlite_sequence set seq = 1000 where name = 'runs'")
    connection.execute("delete from sessions where id > 3")  # ids are not given twice


def list_last_columns(connection: apsw.Connection, table: str) -> set[str]:
    """Return the last column of each unique index: if it differs in each row, so does the index."""
    indexes = connection.execute(f"select name from pragma_index_list('{table}') where \"unique\"").fetchall()
    return {str(connection.execute(f"pragma index_info({name})").fetchall()[-1][2]) for (name,) in indexes}


@contextlib.contextmanager
def file(path: Path) -> Iterator[apsw.Connection]:
    connection = connect_file(path)
    try:
        migrate_file(connection)
        connection.execute(f"delete from meta where {CARRIED_META}")
        yield connection
    finally:
        connection.close(True)


@pytest.fixture
def address(postgres: PostgresServer) -> Address:
    return read_address(postgres.new_store())


@pytest.fixture
def schema(address: Address) -> Iterator[ServerConnection]:
    with connect(address) as connection:
        connection.answers_within = inf  # a busy machine may take longer than a person waits
        migrate_schema(connection, address)
        connection.execute(
            f'delete from "{address.schema}".meta where {CARRIED_META}'
        )  # as a store that is to be filled
        yield connection


@pytest.mark.parametrize("seed", range(4))
def test_every_row_comes_over_and_back(seed: int, tmp_path: Path, schema: ServerConnection, address: Address) -> None:
    """File to server to file: the same rows and hashes in each table, and the ids that were given before are not given again."""
    server = PostgresRows(schema, address)
    with file(tmp_path / "a.db") as first, file(tmp_path / "b.db") as last:
        fill(first, seed)
        source, back = SqliteRows(first), SqliteRows(last)
        copy(source, server, _silent)
        there = compare(source, server, _silent)
        copy(server, back, _silent)
        assert compare(server, back, _silent) == there
        assert compare(source, back, _silent) == there
        assert all(each.rows for each in there.values())
        assert server.last_ids()["runs"] == back.last_ids()["runs"] == 1000
        assert server.last_ids()["sessions"] == 11
        (given,) = schema.execute(
            f'select nextval(pg_get_serial_sequence($1, $2)) from "{address.schema}".meta limit 1',
            (f'"{address.schema}".sessions', "id"),
        ).fetchone() or (0,)
        assert given == 12


def copy_in_pieces(source: RowSource, target: RowTarget) -> int:
    """Copy, cut after each part and begun again; return the number of cuts."""

    def cut(at: str) -> None:
        if at == "move.batch":
            raise Cut

    cuts = 0
    failpoints.install(cut)
    try:
        while True:
            try:
                copy(source, target, _silent)
            except Cut:
                cuts += 1
            else:
                return cuts
    finally:
        failpoints.install(None)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_copy_that_is_broken_off_anywhere_continues(
    tmp_path: Path, schema: ServerConnection, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut after each part in turn, the next try continues with what is missing; in the end no row is missing or doubled, both ways."""
    monkeypatch.setattr(table_rows, "BATCH_ROWS", 4)
    server = PostgresRows(schema, address)
    with file(tmp_path / "a.db") as first, file(tmp_path / "b.db") as last:
        fill(first, 7)
        source, back = SqliteRows(first), SqliteRows(last)
        assert copy_in_pieces(source, server) > 60
        assert compare(source, server, _silent)["runs"].rows == 11
        assert copy_in_pieces(server, back) > 60
        assert compare(source, back, _silent)["runs"].rows == 11


def test_difference_is_found(tmp_path: Path, schema: ServerConnection, address: Address) -> None:
    """One byte that is changed, or a row more, is reported with the name of its table."""
    server = PostgresRows(schema, address)
    with file(tmp_path / "a.db") as first:
        fill(first, 1)
        source = SqliteRows(first)
        copy(source, server, _silent)
        schema.execute(
            f'update "{address.schema}".journal set duration_us = duration_us + 1 where rank = 3 and duration_us < 100'
        )
        schema.execute(f"insert into \"{address.schema}\".lock_tokens values ('one more', 1, 0)")
        with pytest.raises(StoreBrokenError, match="lock_tokens: 11 rows, copy 12"):
            compare(source, server, _silent)


def test_text_that_a_server_cannot_hold_is_named(tmp_path: Path, schema: ServerConnection, address: Address) -> None:
    """A NUL is found before anything is copied; what is found only by the server names table and row, and what stood before it stays."""
    server = PostgresRows(schema, address)
    with file(tmp_path / "a.db") as first:
        fill(first, 2)
        first.execute("update runs set title = 'a' || char(0) || 'b' where seq = 5")
        source = SqliteRows(first)
        assert source.texts_with_nul() == ["runs.title of the row (5,)"]
        with pytest.raises(match=r"row of runs.*\n.*key \(5,\)"):
            copy(source, server, _silent)
        first.execute("update runs set title = 'ab' where seq = 5")
        copy(source, server, _silent)
        compare(source, server, _silent)
        rng = random.Random(1)
        first.execute(
            "insert into lock_tokens values (?, 1, 0)",
            ("z" + "".join(rng.choice("0123456789abcdef") for _ in range(9000)),),
        )
        # Longer than what an index of the server takes.
        with pytest.raises(match="row of lock_tokens"):
            copy(source, server, _silent)


def test_both_ends_show_the_same_tables(tmp_path: Path, schema: ServerConnection, address: Address) -> None:
    """A table or column that one database alone has would be lost: each is known and shown on both sides, or the copy is refused."""
    server = PostgresRows(schema, address)
    with file(tmp_path / "a.db") as first:
        source = SqliteRows(first)
        tables = source.tables()
        assert tables == server.tables()
        assert tables["queue_backlogs"] == Table("queue_backlogs", ("n", "queue", "session"), ("queue", "session"))
        assert set(COUNTED) == {
            row[0] for row in first.execute("select name from sqlite_schema where sql like '%autoincrement%'")
        }
        first.execute("alter table locks add column colour text")
        with pytest.raises(Exception, match="do not have the same tables: locks"):
            copy(source, server, _silent)
    assert isinstance(schema, psycopg.Connection)
