"""Table rows of a schema, as a copy reads and writes them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import psycopg
from psycopg import sql

from mainspring.store.maintenance.move_marker import PROGRESS, RowError
from mainspring.store.maintenance.table_rows import CARRIED_META, COUNTED, NOT_CARRIED, Row, Table, parts
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import ServerConnection
from mainspring.store.postgres.error_table import statement_error

_HIDDEN = {("sessions", "instance"), ("sessions", "lease_ms")}
_SOURCES = {
    "meta": f"(select * from {{}} where {CARRIED_META}) as visible",  # noqa: S608 - constant words
    "queue_backlogs": (
        "(select queue, 0::bigint as session, sum(n)::bigint as n from {} group by queue having sum(n) <> 0) as visible"
    ),
}
_AT_ONCE = 200
_COLUMNS = """
select relname, attname, format_type(atttypid, null), array_position(indkey::int2[], attnum)
from pg_attribute
join pg_class on pg_class.oid = attrelid
left join pg_index on indrelid = attrelid and indisprimary
where relnamespace = to_regnamespace($1) and relkind = 'r' and attnum > 0 and not attisdropped
"""
_Kinds = dict[tuple[str, str], str]


class PostgresRows:
    """A maintenance.table_rows.RowTarget on an open connection, which its caller closes. As a source it reads in one
    transaction of the caller.
    """

    def __init__(self, connection: ServerConnection, address: Address) -> None:
        self._connection = connection
        self._address = address
        self._kinds: _Kinds = {}
        self._seen_ids: dict[str, int] = {}

    @property
    def location(self) -> str:
        """Server, database and schema."""
        return self._address.location

    def tables(self) -> dict[str, Table]:
        """Return its tables by name."""
        columns: dict[str, list[str]] = {}
        keys: dict[str, dict[int, str]] = {}
        schema = sql.Identifier(self._address.schema).as_string(self._connection)
        for table, column, kind, place in self._rows(_COLUMNS, (schema,)):
            if table in NOT_CARRIED:
                continue
            if (table, column) not in _HIDDEN:
                columns.setdefault(table, []).append(column)
                self._kinds[table, column] = kind
            if place is not None:
                keys.setdefault(table, {})[place] = column
        return {
            name: Table(name, tuple(sorted(found)), tuple(keys[name][place] for place in sorted(keys[name])))
            for name, found in columns.items()
        }

    def batches(self, table: Table, after: Row | None) -> Iterator[list[Row]]:
        """Yield the rows above a key, in order, in batches."""
        key = ", ".join(f'"{name}"' for name in table.key)
        above = (
            f"where ({key}) > ({', '.join(f'${n}' for n in range(1, len(table.key) + 1))})" if after is not None else ""
        )
        columns = ", ".join(f'"{name}"' for name in table.columns)
        text = f"select {columns} from {_SOURCES.get(table.name, '{}').format(self._name(table.name))} {above} order by {key}"  # noqa: S608 - constant names
        with self._translate_faults(), self._transaction(), self._cursor() as cursor:
            cursor.execute(text, after or ())
            yield from parts(iter(cursor))

    def _cursor(self) -> "psycopg.RawServerCursor[Row]":
        """Return a cursor of the server: otherwise the library would fetch a whole table at once."""
        cursor = psycopg.RawServerCursor(self._connection, "mainspring_copying")
        cursor.itersize = _AT_ONCE
        return cursor

    def last_ids(self) -> dict[str, int]:
        """Return the highest ids that were ever used; within a transaction of the caller, those at the first call.

        A sequence ignores snapshots: other processes advance it meanwhile.
        """
        if self._seen_ids and not self._is_idle:
            return self._seen_ids
        last_ids = {}
        for name, column in self._counters():
            # This function needs only the right to use the sequence, which every user of the store has.
            text = "select coalesce(pg_sequence_last_value($1::text::regclass), 0)"
            (sequence_value,) = self._rows(text, (self._sequence(name, column),))[0]
            (highest_id,) = self._rows(f'select coalesce(max("{column}"), 0) from {self._name(name)}')[0]  # noqa: S608 - constant names
            last_ids[name] = max(int(sequence_value), int(highest_id))
        self._seen_ids = last_ids
        return last_ids

    def set_last_ids(self, ids: Mapping[str, int]) -> None:
        """Use only ids above these for new rows."""
        for name, column in self._counters():
            if ids[name]:
                self._rows("select setval($1::text::regclass, $2)", (self._sequence(name, column), ids[name]))

    def progress(self, table: Table) -> Row | None:
        """Return the last key that was appended."""
        text = f"select value from {self._name('meta')} where key = $1"  # noqa: S608 - a constant name
        found = self._rows(text, (PROGRESS + table.name,))
        return next((tuple(msgspec.json.decode(key)) for (key,) in found), None)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Append rows, in one transaction with their last key. If a batch is refused, the error names the guilty row."""
        try:
            self._append(table, rows)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded) as fault:
            if len(rows) > 1:
                middle = len(rows) // 2
                self.append(table, rows[:middle])
                self.append(table, rows[middle:])
            raise RowError(
                f"the server cannot hold a row of {table.name}: {str(fault).splitlines()[0]}\nwith the key {table.key_of(rows[0])!r}"
            ) from fault

    def _append(self, table: Table, rows: Sequence[Row]) -> None:
        columns = ", ".join(f'"{name}"' for name in table.columns)
        key = msgspec.json.encode(table.key_of(rows[-1])).decode()
        with self._translate_faults(), self._transaction():
            cursor = self._connection.cursor()
            with cursor.copy(f"copy {self._name(table.name)} ({columns}) from stdin (format binary)") as copying:
                copying.set_types([self._kinds[table.name, name] for name in table.columns])
                for row in rows:
                    copying.write_row(row)
            self._rows(
                f"insert into {self._name('meta')} (key, value) values ($1, $2)"  # noqa: S608 - constant names
                " on conflict (key) do update set value = excluded.value",
                (PROGRESS + table.name, key),
            )

    def _name(self, table: str) -> str:
        return sql.Identifier(self._address.schema, table).as_string(self._connection)

    def _counters(self) -> list[tuple[str, str]]:
        tables = self.tables()
        return [(name, tables[name].key[0]) for name in COUNTED]

    def _sequence(self, table: str, column: str) -> str:
        (name,) = self._rows("select pg_get_serial_sequence($1, $2)", (self._name(table), column))[0]
        return str(name)

    def _rows(self, text: str, params: Sequence[object] = ()) -> list[Row]:
        with self._translate_faults():
            found = self._connection.execute(text, params)
            return found.fetchall() if found.description else []

    @property
    def _is_idle(self) -> bool:
        return self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin a transaction, unless the caller did."""
        if not self._is_idle:
            yield
            return
        with self._connection.transaction():
            yield

    @contextlib.contextmanager
    def _translate_faults(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as fault:
            if isinstance(fault, psycopg.DataError | psycopg.IntegrityError | psycopg.errors.ProgramLimitExceeded):
                raise
            raise statement_error(fault, self.location) from fault
