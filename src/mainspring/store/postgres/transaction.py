"""The group's transaction on PostgreSQL: statements run on the write connection, at once and in order."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from mainspring.domain.values.sealing import Sealing
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.texts import TEXTS, Statement
from mainspring.store.transaction import LockTarget, Params, Transaction

Cursor = psycopg.Cursor[tuple[Any, ...]]
Answer = tuple[list[tuple[Any, ...]], int]
"""Rows, and how many were changed."""


class PostgresTransaction(Transaction):
    """A transaction.Transaction between `begin` and `commit` of one connection."""

    __slots__ = ("_answers", "_held", "_later", "_schema", "cursor")

    def __init__(
        self, cursor: Cursor, schema: str, *, now: int, session: int | None, again: bool, sealing: Sealing
    ) -> None:
        super().__init__(now=now, session=session, again=again, sealing=sealing)
        self.cursor = cursor
        self._schema = schema
        self._held: set[tuple[str, ...]] = set()
        self._answers: list[tuple[str, Params, Answer]] = []
        self._later: list[tuple[str, Params]] = []

    def ahead(self, asked: Sequence[tuple[str, Params]]) -> None:
        """Ask all of it by one message. What is answered is forgotten as soon as anything else is run: it might be so no longer."""
        self.flush()
        with self.cursor.connection.pipeline():
            found = [run(self.cursor.connection.cursor(), TEXTS[query], params) for query, params in asked]
        self._answers = [(*one, answer_of(cursor)) for one, cursor in zip(asked, found, strict=True)]

    def learn(self, query: str, params: Params, cursor: Cursor) -> None:
        """Take in what was asked together with something else."""
        self._answers.append((query, params, answer_of(cursor)))

    def later(self, query: str, params: Params = ()) -> None:
        """Run a change whose count nobody asks for together with what comes next."""
        self._answers.clear()
        self._later.append((query, params))

    def flush(self) -> None:
        """Run what was left for later; by one message."""
        if self._later:
            with self.cursor.connection.pipeline():
                self.send_later()

    def send_later(self) -> None:
        """Send what was left for later, within a message that is being put together."""
        waiting, self._later = self._later, []
        for query, params in waiting:
            run(self.cursor, TEXTS[query], params)

    def _ask(self, query: str, params: Params) -> Answer:
        """Return the rows of a statement and how many it changed."""
        for place, (known, with_params, answer) in enumerate(self._answers):
            if known == query and with_params == params:
                del self._answers[place]
                return answer
        self._answers.clear()
        if not self._later:
            return answer_of(run(self.cursor, TEXTS[query], params))
        with self.cursor.connection.pipeline():
            self.send_later()
            found = run(self.cursor.connection.cursor(), TEXTS[query], params)
        return answer_of(found)

    def one(self, query: str, params: Params = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        rows, _ = self._ask(query, params)
        return rows[0] if rows else None

    def all(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._ask(query, params)[0]

    def change(self, query: str, params: Params = ()) -> int:
        """Run a statement that changes rows and return how many."""
        return self._ask(query, params)[1]

    def write_counters(self) -> None:
        """Write the counters, all automations by one statement, with what is sent next."""
        for change in self.backlog_changes():
            self.later("change_backlog", change)
        for query, kinds, rows in (
            ("add_rollups", "ntn" + "n" * 9, self.rollups()),
            ("add_rollup_details", "ntntn", self.rollup_details()),
        ):
            if rows:
                self.later(query, columns(kinds, rows))

    def hold(self, what: LockTarget, *names: str) -> None:
        """Lock one thing until the commit, unless it is locked already."""
        if (what, *names) in self._held:
            return
        if what == "run":
            self.hold_runs(names)
        else:
            self.hold_names([(what, *names)])

    def hold_all(self, what: LockTarget, names: Iterable[tuple[str, ...]]) -> None:
        """Lock many things of a kind until the commit."""
        if what == "run":
            self.hold_runs(name for (name,) in names if ("run", name) not in self._held)
        else:
            self.hold_names((what, *name) for name in names)

    def hold_runs(
        self, runs: Iterable[str], ending: Iterable[str] = (), then: Sequence[tuple[str, Params]] = ()
    ) -> None:
        """Lock runs in the order of their ids; of those that end also whoever is told: above, below and watching. `then` is asked next."""
        wanted, over = sorted(set(runs)), sorted(set(ending))
        if wanted or over:
            if then:
                self.ahead([("lock_runs", (wanted, over)), *then])
            rows = self.all("lock_runs", (wanted, over))
            self._held.update(("run", row[0]) for row in rows)
            self._held.update(("run", name) for name in wanted)

    def hold_names(self, things: Iterable[tuple[str, ...]]) -> None:
        """Lock whatever is known by its names, in the order of its numbers."""
        wanted = set(things) - self._held
        if wanted:
            self.all("lock_names", (sorted(self._number(thing) for thing in wanted),))
            self._held |= wanted

    def _number(self, thing: tuple[str, ...]) -> int:
        """Return the advisory lock of a thing of this store. Two things with one number only wait for each other."""
        words = "\0".join((self._schema, *thing)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big", signed=True)


def answer_of(cursor: Cursor) -> Answer:
    """Return what a statement answered."""
    return (cursor.fetchall() if cursor.description is not None else []), cursor.rowcount


def run(cursor: Cursor, text: str, params: Params) -> Cursor:
    """Run a statement of ours with its parameters in their order."""
    assert isinstance(text, Statement)
    values: Sequence[Any] = [params[name] for name in text.names] if isinstance(params, Mapping) else params
    return cursor.execute(text, values)
