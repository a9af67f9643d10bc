"""The transaction of a group on PostgreSQL: statements run on the write connection, at once and in order."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import psycopg

from mainspring.domain.values.sealing import Sealing
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.texts import TEXTS, Statement
from mainspring.store.transaction import LockTarget, Params, Row, Rows, Transaction

Cursor = psycopg.Cursor[Row]
Answer = tuple[Rows, int]
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

    def ahead(self, statements: Sequence[tuple[str, Params]]) -> None:
        """Run statements in one message. Their results are discarded as soon as another statement runs: they might be
        outdated.
        """
        known = [(query, params) for query, params, _ in self._answers]
        if all(statement in known for statement in statements):
            return
        with self.cursor.connection.pipeline():
            self.send_later()
            cursors = [run(self.cursor.connection.cursor(), TEXTS[query], params) for query, params in statements]
        self._answers = [(*statement, answer_of(cursor)) for statement, cursor in zip(statements, cursors, strict=True)]

    def learn(self, query: str, params: Params, cursor: Cursor) -> None:
        """Store the result of a statement that was sent together with another one."""
        self._answers.append((query, params, answer_of(cursor)))

    def later(self, query: str, params: Params = ()) -> None:
        """Run a change whose count is not needed together with the next statement."""
        self._answers.clear()
        self._later.append((query, params))

    def flush(self) -> None:
        """Run the postponed statements in one message."""
        if self._later:
            with self.cursor.connection.pipeline():
                self.send_later()

    def send_later(self) -> None:
        """Send the postponed statements within a message that is being composed."""
        waiting, self._later = self._later, []
        for query, params in waiting:
            run(self.cursor, TEXTS[query], params)

    def _execute(self, query: str, params: Params) -> Answer:
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

    def first(self, query: str, params: Params = ()) -> Row | None:
        """Return the first row, or None."""
        rows, _ = self._execute(query, params)
        return rows[0] if rows else None

    def all(self, query: str, params: Params = ()) -> Rows:
        """Return all rows."""
        return self._execute(query, params)[0]

    def change(self, query: str, params: Params = ()) -> int:
        """Run a statement that changes rows and return how many."""
        return self._execute(query, params)[1]

    def write_counters(self) -> None:
        """Write the counters, all automations by one statement, with the next message."""
        for change in self.backlog_changes():
            self.later("change_backlog", change)
        for query, kinds, rows in (
            ("add_rollups", "ntn" + "n" * 9, self.rollups()),
            ("add_rollup_details", "ntntn", self.rollup_details()),
        ):
            if rows:
                self.later(query, columns(kinds, rows))

    def hold(self, kind: LockTarget, *names: str, then: Sequence[tuple[str, Params]] = ()) -> None:
        """Lock one thing until the commit, unless it is locked already."""
        if (kind, *names) in self._held:
            return
        if kind == "run":
            self.hold_runs(names)
        else:
            self.hold_names([(kind, *names)], then)

    def hold_all(self, kind: LockTarget, names: Iterable[tuple[str, ...]]) -> None:
        """Lock many things of a kind until the commit."""
        if kind == "run":
            self.hold_runs(name for (name,) in names if ("run", name) not in self._held)
        else:
            self.hold_names((kind, *name) for name in names)

    def hold_runs(
        self, runs: Iterable[str], ending: Iterable[str] = (), then: Sequence[tuple[str, Params]] = ()
    ) -> None:
        """Lock runs in the order of their ids; for those that end also the notified ones: parents, children and
        watchers. `then` runs next.
        """
        run_ids, ending_ids = sorted(set(runs)), sorted(set(ending))
        if run_ids or ending_ids:
            if then:
                self.ahead([("lock_runs", (run_ids, ending_ids)), *then])
            rows = self.all("lock_runs", (run_ids, ending_ids))
            self._held.update(("run", run) for run, *_ in rows)
            self._held.update(("run", name) for name in run_ids)

    def hold_names(self, names: Iterable[tuple[str, ...]], then: Sequence[tuple[str, Params]] = ()) -> None:
        """Lock names, in the order of their numbers. `then` runs next."""
        new_names = set(names) - self._held
        if new_names:
            locking = "lock_names", (sorted(self._lock_number(name) for name in new_names),)
            if then:
                self.ahead([locking, *then])
            self.all(*locking)
            self._held |= new_names

    def _lock_number(self, name: tuple[str, ...]) -> int:
        """Return the advisory lock of a name in this store. Two names with one number only wait for each other."""
        words = "\0".join((self._schema, *name)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big", signed=True)


def answer_of(cursor: Cursor) -> Answer:
    """Return the result of a statement."""
    return (cursor.fetchall() if cursor.description is not None else []), cursor.rowcount


def run(cursor: Cursor, text: str, params: Params) -> Cursor:
    """Run a shared statement with its parameters in their order."""
    assert isinstance(text, Statement)
    values: Sequence[object] = [params[name] for name in text.names] if isinstance(params, Mapping) else params
    return cursor.execute(text, values)
