"""The warehouse: a SQLite database of the user, beside the store of Mainspring. One row a flight, found by its natural key."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import apsw

_KEY = "year, month, day, carrier, flight, origin, sched_dep_time"
_FACTS = (
    "airline dest departs_at dep_delay arr_delay air_time distance_km tailnum plane plane_year seats wind_kmh visib_km"
)
_FLIGHT = [*_KEY.split(", "), *_FACTS.split()]
_CREATE = f"""
create table flights (
  year int, month int, day int, carrier text, flight int, origin text, sched_dep_time int,
  airline text, dest text, departs_at text, dep_delay int, arr_delay int, air_time int, distance_km int,
  tailnum text, plane text, plane_year int, seats int, wind_kmh real, visib_km real,
  written int not null default 1, primary key ({_KEY})) without rowid;
create table rejected (
  year int, month int, day int, carrier text, flight int, origin text, sched_dep_time int,
  reason text not null, file text not null, written int not null default 1, primary key ({_KEY})) without rowid;
create table days (file text primary key, flights int not null, rejected int not null);
"""


def _upsert(table: str, columns: list[str]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in _KEY.split(", "))
    return (
        f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))}) "
        f"on conflict ({_KEY}) do update set {changes}, written = written + 1"
    )


_PUT_FLIGHT = _upsert("flights", _FLIGHT)
_PUT_REJECTED = _upsert("rejected", [*_KEY.split(", "), "reason", "file"])


class EffectTransaction(Protocol):
    """The methods of `ms.Tx` that are used here; an apsw connection has them too."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any: ...


@dataclass(frozen=True)
class Airline:
    """One line of the report; `late` is the share of flights that came 15 minutes late or more."""

    name: str
    flights: int
    delay: float
    late: float
    never_left: int


@dataclass(frozen=True)
class YearTotals:
    """The totals of the report."""

    flights: int
    rejected: int
    reasons: dict[str, int]
    airlines: list[Airline]
    windy_delay: float
    calm_delay: float


def create(path: Path) -> None:
    """Create the empty warehouse. Mainspring does not do that: an empty database would not know which steps are done."""
    connection = apsw.Connection(str(path))
    connection.execute("pragma journal_mode = wal")
    connection.execute(_CREATE)
    connection.close()


def store(tx: EffectTransaction, file: str, flights: list[list[Any]], rejected: list[list[Any]]) -> None:
    """Store the rows of a file; a repeat changes only `written`."""
    tx.executemany(_PUT_FLIGHT, flights)
    tx.executemany(_PUT_REJECTED, rejected)
    put = "insert into days values (?, ?, ?) on conflict do update set flights = excluded.flights, rejected = excluded.rejected"
    tx.execute(put, (file, len(flights), len(rejected)))


def read_totals(tx: EffectTransaction, never_left: str) -> YearTotals:
    """Add run_checks up."""
    reasons = {
        str(reason): n for reason, n in tx.execute("select reason, count(*) from rejected group by 1 order by 2 desc")
    }
    gone = dict(tx.execute("select carrier, count(*) from rejected where reason = ? group by 1", (never_left,)))
    lines = tx.execute(
        "select carrier, airline, count(*), avg(arr_delay), avg(arr_delay >= 15) from flights group by 1, 2 order by 3 desc"
    )
    windy, calm = next(
        iter(
            tx.execute(
                "select avg(dep_delay) filter (where wind_kmh >= 30), avg(dep_delay) filter (where wind_kmh < 15) from flights"
            )
        )
    )
    airlines = [Airline(name, n, delay, late, gone.get(carrier, 0)) for carrier, name, n, delay, late in lines]
    return YearTotals(
        sum(line.flights for line in airlines), sum(reasons.values()), reasons, airlines, windy or 0.0, calm or 0.0
    )


class WarehouseReader:
    """A read-only connection, for the progress and for the checks at the end."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.pragma("query_only", True)
        self._connection.set_busy_timeout(5_000)

    def progress(self) -> tuple[int, int, int]:
        """Return files, flights and rejected rows that are stored."""
        sql = "select count(*), coalesce(sum(flights), 0), coalesce(sum(rejected), 0) from days"
        files, flights, rejected = next(iter(self._connection.execute(sql)))
        return files, flights, rejected

    def keys(self) -> list[tuple[Any, ...]]:
        """Return the key of each flight and each rejected row."""
        return list(self._connection.execute(f"select {_KEY} from flights union all select {_KEY} from rejected"))

    def rejected(self) -> list[tuple[Any, ...]]:
        """Return each rejected row with its reason and file."""
        return list(self._connection.execute(f"select {_KEY}, reason, file from rejected order by {_KEY}"))

    def written_twice(self) -> int:
        """Return how many rows were written more than once."""
        sql = "select (select count(*) from flights where written > 1) + (select count(*) from rejected where written > 1)"
        return int(next(iter(self._connection.execute(sql)))[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
