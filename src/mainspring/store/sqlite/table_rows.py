"""Table rows of a SQLite file, as a copy reads and writes them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import apsw
import msgspec

from mainspring.store.maintenance.move_marker import PROGRESS, RowError
from mainspring.store.maintenance.table_rows import CARRIED_META, COUNTED, NOT_CARRIED, Row, Table, parts
from mainspring.store.sqlite.error_table import statement_error

_BACKLOGS = Table("queue_backlogs", ("n", "queue", "session"), ("queue", "session"))
_SOURCES = {
    "meta": f"(select * from meta where {CARRIED_META})",  # noqa: S608 - constant words
    "queue_backlogs": "(select name as queue, 0 as session, backlog as n from queues where backlog <> 0)",
}
_HIDDEN = {("queues", "backlog")}


class SqliteRows:
    """A maintenance.table_rows.RowTarget on an open connection, which its caller closes. As a source it reads in one
    transaction of the caller.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @property
    def location(self) -> str:
        """The path of the file."""
        return self._connection.filename

    def tables(self) -> dict[str, Table]:
        """Return its tables by name."""
        tables = {_BACKLOGS.name: _BACKLOGS}
        for (name,) in self._rows("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'"):
            if name in NOT_CARRIED:
                continue
            info = self._rows(f'pragma table_info("{name}")')
            columns = [(str(column), int(place)) for _, column, _, _, _, place in info]
            carried = tuple(sorted(column for column, _ in columns if (name, column) not in _HIDDEN))
            key = tuple(
                column for column, place in sorted(columns, key=lambda column_and_place: column_and_place[1]) if place
            )
            tables[name] = Table(name, carried, key)
        return tables

    def batches(self, table: Table, after: Row | None) -> Iterator[list[Row]]:
        """Yield the rows above a key, in order, in batches."""
        key = ", ".join(f'"{name}"' for name in table.key)
        above = f"where ({key}) > ({', '.join('?' * len(table.key))})" if after is not None else ""
        columns = ", ".join(f'"{name}"' for name in table.columns)
        text = f"select {columns} from {_SOURCES.get(table.name, table.name)} {above} order by {key}"  # noqa: S608 - constant names
        with self._translate_faults():
            yield from parts(iter(self._connection.cursor().execute(text, after or ())))

    def last_ids(self) -> dict[str, int]:
        """Return the highest ids that were ever used."""
        given = {str(name): int(last) for name, last in self._rows("select name, seq from sqlite_sequence")}
        return {name: given.get(name, 0) for name in COUNTED}

    def progress(self, table: Table) -> Row | None:
        """Return the last key that was appended."""
        found = self._rows("select value from meta where key = ?", (PROGRESS + table.name,))
        return next((tuple(msgspec.json.decode(key)) for (key,) in found), None)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Append rows, in one transaction with their last key."""
        self._connection.execute("begin immediate")
        try:
            self._insert(table, rows)
            key = msgspec.json.encode(table.key_of(rows[-1])).decode()
            self._rows(
                "insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
                (PROGRESS + table.name, key),
            )
            self._rows("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        columns = ", ".join(f'"{name}"' for name in table.columns)
        text = f'insert into "{table.name}" ({columns}) values ({", ".join("?" * len(table.columns))})'  # noqa: S608 - constant names
        if table == _BACKLOGS:
            text = "update queues set backlog = ?1 where name = ?2 and ?3 = 0"
        with self._translate_faults():
            for row in rows:
                try:
                    self._connection.execute(text, row)
                except (apsw.ConstraintError, apsw.TooBigError) as fault:
                    raise RowError(
                        f"a file cannot hold a row of {table.name}: {fault}\nwith the key {table.key_of(row)!r}"
                    ) from fault

    def set_last_ids(self, ids: Mapping[str, int]) -> None:
        """Use only ids above these for new rows."""
        for name, last in ids.items():
            changed = self._rows(
                "update sqlite_sequence set seq = max(seq, ?) where name = ? returning 1", (last, name)
            )
            if not changed:
                self._rows("insert into sqlite_sequence (name, seq) values (?, ?)", (name, last))

    def texts_with_nul(self, most: int = 20) -> list[str]:
        """Return places of texts with the character NUL, which a server's text cannot store: "table.column of the row
        KEY", up to `most`.
        """
        places: list[str] = []
        for table in self.tables().values():
            info = self._rows(f'pragma table_info("{table.name}")')
            text_columns = [column for _, column, kind, *_ in info if kind.lower() == "text"]
            if not text_columns:
                continue
            key = ", ".join(f'"{name}"' for name in table.key)
            for column in text_columns:
                text = f'select {key} from "{table.name}" where instr("{column}", char(0)) limit {most}'  # noqa: S608 - constant names
                places += [f"{table.name}.{column} of the row {row!r}" for row in self._rows(text)]
                if len(places) >= most:
                    return places[:most]
        return places

    def _rows(self, text: str, params: Sequence[object] = ()) -> list[Row]:
        with self._translate_faults():
            return self._connection.execute(text, params).fetchall()

    @contextlib.contextmanager
    def _translate_faults(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as fault:
            raise statement_error(fault, Path(self.location)) from fault
