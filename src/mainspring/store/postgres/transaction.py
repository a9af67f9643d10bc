"""The group's transaction on PostgreSQL: statements run on the write connection, at once and in order."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from mainspring.domain.sealing import Sealing
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.texts import TEXTS, Statement
from mainspring.store.transaction import Params, Thing, Transaction

Cursor = psycopg.Cursor[tuple[Any, ...]]


class PostgresTransaction(Transaction):
    """A transaction.Transaction between `begin` and `commit` of one connection."""

    __slots__ = ("_held", "_schema", "cursor")

    def __init__(
        self, cursor: Cursor, schema: str, *, now: int, session: int | None, again: bool, sealing: Sealing
    ) -> None:
        super().__init__(now=now, session=session, again=again, sealing=sealing)
        self.cursor = cursor
        self._schema = schema
        self._held: set[tuple[str, ...]] = set()

    def one(self, query: str, params: Params = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        rows = run(self.cursor, TEXTS[query], params).fetchall()
        return rows[0] if rows else None

    def all(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return run(self.cursor, TEXTS[query], params).fetchall()

    def change(self, query: str, params: Params = ()) -> int:
        """Run a statement that changes rows and return how many."""
        return run(self.cursor, TEXTS[query], params).rowcount

    def write_rollups(self) -> None:
        """Write the counters, all automations by one statement."""
        for query, kinds, rows in (
            ("add_rollups", "ntn" + "n" * 9, self.rollups()),
            ("add_rollup_details", "ntntn", self.rollup_details()),
        ):
            if rows:
                self.change(query, columns(kinds, rows))

    def hold(self, what: Thing, *names: str) -> None:
        """Lock one thing until the commit, unless it is locked already."""
        if (what, *names) in self._held:
            return
        if what == "run":
            self.hold_runs(names)
        else:
            self.hold_names([(what, *names)])

    def hold_all(self, what: Thing, names: Iterable[tuple[str, ...]]) -> None:
        """Lock many things of a kind until the commit."""
        if what == "run":
            self.hold_runs(name for (name,) in names if ("run", name) not in self._held)
        else:
            self.hold_names((what, *name) for name in names)

    def hold_runs(self, runs: Iterable[str], ending: Iterable[str] = ()) -> None:
        """Lock runs in the order of their ids; of those that end also whoever is told: above, below and watching."""
        wanted, over = sorted(set(runs)), sorted(set(ending))
        if wanted or over:
            rows = self.all("hold_runs", (wanted, over))
            self._held.update(("run", row[0]) for row in rows)
            self._held.update(("run", name) for name in wanted)

    def hold_names(self, things: Iterable[tuple[str, ...]]) -> None:
        """Lock whatever is known by its names, in the order of its numbers."""
        wanted = set(things) - self._held
        if wanted:
            self.all("hold_names", (sorted(self._number(thing) for thing in wanted),))
            self._held |= wanted

    def _number(self, thing: tuple[str, ...]) -> int:
        """Return the advisory lock of a thing of this store. Two things with one number only wait for each other."""
        words = "\0".join((self._schema, *thing)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big", signed=True)


def run(cursor: Cursor, text: str, params: Params) -> Cursor:
    """Run a statement of ours with its parameters in their order."""
    assert isinstance(text, Statement)
    values: Sequence[Any] = [params[name] for name in text.names] if isinstance(params, Mapping) else params
    return cursor.execute(text, values)
