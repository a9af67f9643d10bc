"""The transaction of a group on SQLite: statements run on the write connection, at once and in order."""

from collections.abc import Iterable, Sequence

import apsw

from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.transaction import LockTarget, Params, Row, Rows, Transaction


class SqliteTransaction(Transaction):
    """A transaction.Transaction between `begin immediate` and `commit` of one connection."""

    __slots__ = ("_connection", "_execute")

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        now: int,
        session: int | None,
        again: bool,
        sealing: Sealing = PLAIN_SEALING,
    ) -> None:
        super().__init__(now=now, session=session, again=again, sealing=sealing)
        self._connection = connection
        self._execute = connection.cursor().execute

    def first(self, query: str, params: Params = ()) -> Row | None:
        """Return the first row, or None."""
        rows = self._execute(TEXTS[query], params).fetchall()
        return rows[0] if rows else None

    def all(self, query: str, params: Params = ()) -> Rows:
        """Return all rows."""
        return self._execute(TEXTS[query], params).fetchall()

    def hold(self, kind: LockTarget, *names: str, then: Sequence[tuple[str, Params]] = ()) -> None:
        """Do nothing: transactions on one file run one after the other."""

    def hold_all(self, kind: LockTarget, names: Iterable[tuple[str, ...]]) -> None:
        """Do nothing, as `hold`."""

    def change(self, query: str, params: Params = ()) -> int:
        """Run a statement that changes rows and return their number."""
        self._execute(TEXTS[query], params)
        return self._connection.changes()
