"""How each store finds what its texts ask for: a test names the tables that no statement may walk over."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import psycopg

from mainspring.domain.clock import SystemClock
from mainspring.store.handlers.table import HANDLERS
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.texts import TEXTS as POSTGRES_TEXTS
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from tests.postgres_plans import plan_of

Plan = Callable[[str, Any], list[str]]


@contextmanager
def plans_on_a_file(folder: Path, history: str = "") -> Iterator[Plan]:
    """Yield what gives the plan of a text by its name and values, in a store with this history, counted where there is one."""
    SqliteDatabase(folder / "s.db", clock=SystemClock(), handlers=HANDLERS).close()
    connection = apsw.Connection(str(folder / "s.db"))
    try:
        if history:
            connection.execute(history)
            connection.execute("analyze")
        yield lambda name, params: [
            row[3] for row in connection.execute(f"explain query plan {SQLITE_TEXTS[name]}", params)
        ]
    finally:
        connection.close()


@contextmanager
def plans_on_a_server(postgres: Any, history: str) -> Iterator[Plan]:
    """Yield the same of a server, as a reader plans it, whatever the values."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as connection:
        migrate(connection, address)
    where, _, schema = url.partition("?schema=")
    options = f"-c search_path={schema} -c plan_cache_mode=force_generic_plan -c synchronous_commit=off"
    with psycopg.connect(where, autocommit=True, options=options, cursor_factory=psycopg.RawCursor) as ours:
        for statement in history.split(";"):
            ours.execute(statement.encode())
        ours.execute("analyze")
        yield lambda name, _: plan_of(ours, POSTGRES_TEXTS[name])


def check_no_walk(plan: Plan, reads: Mapping[str, Any], tables: Iterable[str]) -> None:
    """Assert that no text walks over one of these tables; along an index is no walk, for it stops where enough is found."""
    walk = re.compile(rf"(?:^SCAN|Seq Scan on) (?:{'|'.join(tables)})\b(?!.*INDEX)")
    for name, params in reads.items():
        found = plan(name, params)
        assert not [line for line in found if walk.search(line)], "\n".join([name, *found])
