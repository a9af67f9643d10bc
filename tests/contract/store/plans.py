"""How each store finds what its texts ask for: a test names the tables that no statement may walk over."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import psycopg

from mainspring.domain.clock import SystemClock
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.texts import TEXTS as POSTGRES_TEXTS
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from mainspring.store.write.command_handlers import HANDLERS
from tests.postgres_plans import plan_of


class Plans:
    """What one store means to do. `texts` = its texts; `explain` gives the plan of any statement with its values."""

    def __init__(self, texts: Any, explain: Callable[[str, Any], list[str]]) -> None:
        self.texts = texts
        self.explain = explain

    def of(self, name: str, params: Any = ()) -> list[str]:
        """Return the plan of a text by its name."""
        return self.explain(self.texts[name], params)


@contextmanager
def plans_on_a_file(folder: Path, history: str = "") -> Iterator[Plans]:
    """Yield the plans of a store with this history, counted where there is one."""
    SqliteDatabase(folder / "s.db", clock=SystemClock(), handlers=HANDLERS).close()
    connection = apsw.Connection(str(folder / "s.db"))
    try:
        if history:
            connection.execute(history)
            connection.execute("analyze")
        yield Plans(
            SQLITE_TEXTS,
            lambda text, params: [row[3] for row in connection.execute(f"explain query plan {text}", params)],
        )
    finally:
        connection.close()


@contextmanager
def plans_on_a_server(postgres: Any, history: str) -> Iterator[Plans]:
    """Yield the plans of a server with this history, counted, as a reader plans it: whatever the values."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as connection:
        migrate(connection, address)
    where = postgres.url("postgres")  # never by a pooler that stands before it: it takes no such options
    options = f"-c search_path={address.schema} -c plan_cache_mode=force_generic_plan -c synchronous_commit=off"
    with psycopg.connect(where, autocommit=True, options=options, cursor_factory=psycopg.RawCursor) as own:
        for statement in history.split(";"):
            own.execute(statement.encode())
        own.execute("analyze")
        yield Plans(POSTGRES_TEXTS, lambda text, _: plan_of(own, text))


def walked(plan: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Return the lines of a plan that walk over one of these tables; along an index is no walk, for it stops where enough is found."""
    walk = re.compile(rf"(?:^SCAN|Seq Scan on) (?:{'|'.join(tables)})\b(?!.*INDEX)")
    return [line for line in plan if walk.search(line)]


def check_no_walk(plans: Plans, reads: Mapping[str, Any], tables: Iterable[str]) -> None:
    """Assert that none of these texts walks over one of these tables."""
    for name, params in reads.items():
        found = plans.of(name, params)
        assert not walked(found, tables), "\n".join([name, *found])
