"""A database of the user, in SQLite and on a real PostgreSQL, with tables of a shop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import psycopg
import pytest

from mainspring.store.postgres.address import read_address

TABLES = """
create table orders (id integer primary key, state text not null, total {number}, note text, check (total >= 0));
create table "Odd Names" ("a b" integer, "c$" text, unique ("a b"));
create table plain (id integer, name text);
"""


class Shop(NamedTuple):
    """The address of the database, and a way to read it."""

    url: str
    execute: Callable[[str], list[tuple[Any, ...]]]

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.execute(text)

    @property
    def is_server(self) -> bool:
        return self.url.startswith("postgresql:")

    @property
    def mark(self) -> str:
        return "%s" if self.is_server else "?"


def make_sqlite_shop(folder: Path) -> Shop:
    path = folder / "shop.db"

    def execute(text: str) -> list[Any]:
        raw = apsw.Connection(str(path))
        raw.set_busy_timeout(10_000)
        try:
            return list(raw.execute(text))
        finally:
            raw.close()

    if not path.exists():
        execute(TABLES.format(number="real"))
    return Shop(f"sqlite:///{path}", execute)


def open_postgres_shop(url: str) -> Shop:
    address = read_address(url)

    def execute(text: str) -> list[Any]:
        with psycopg.connect(address.conninfo, options=f"-csearch_path={address.schema}") as raw:
            cursor = raw.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    return Shop(url, execute)


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """An empty shop."""
    if request.param == "sqlite":
        return make_sqlite_shop(tmp_path)
    server = request.getfixturevalue("postgres")
    url = server.new_store()
    with psycopg.connect(server.url("postgres")) as raw:
        raw.execute(f"create schema {read_address(url).schema}")
    made = open_postgres_shop(url)
    made.execute(TABLES.format(number="numeric"))
    return made
