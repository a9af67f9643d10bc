"""Throughput with finished runs in the store's history against an empty store. HISTORY=10000000 makes it the whole ten million."""

import os

import psycopg

from bench.figure import Figure, median, spread
from bench.process import measure
from bench.sides.server import new_database, server

HISTORY = int(os.environ.get("HISTORY", "1000000"))
REPEATS = 3
RUNS, STEPS = 1_000, 10
_RUNS = """
insert into mainspring.runs (id, automation, kind, version, state, queue, place, created_at, started_at, finished_at, changed_at, claim,
                             fresh, codec, input, result, rank, steps, trigger, deploy)
select 'r_' || lpad(n::text, 24, '0'), 'steps', 'workflow', 1, case when mod(n, 100) = 0 then 'failed' else 'succeeded' end, 'default',
       at, at, at + 5, at + 900, at + 900, 1, 0, 'json', convert_to('{"count":10}', 'UTF8'), convert_to('10', 'UTF8'), 1, 1, 'bench', 1
from (select n, 1700000000000 + n * 250 as at from generate_series(%s::bigint, %s::bigint) as n) as made
"""
_JOURNAL = """
insert into mainspring.journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, started_at,
                                at, duration_us)
select 'r_' || lpad(n::text, 24, '0'), 1, 'add#1', 'add', 'step', 'succeeded', 1, 1, 0, 1, convert_to('{"x":0}', 'UTF8'),
       convert_to('1', 'UTF8'), at + 10, at + 20, 100
from (select n, 1700000000000 + n * 250 as at from generate_series(%s::bigint, %s::bigint) as n) as made
"""


def figures() -> list[Figure]:
    """Each run of the history has one step. Both stores are on one server, and take turns."""
    with_history, empty = [], []
    with server() as found:
        old = new_database(found, "old")
        measure("ours_postgres", "steps", 10, STEPS, url=old)
        size = _fill(old)
        for n in range(REPEATS):
            with_history.append(_rate(old))
            empty.append(_rate(new_database(found, f"empty{n}")))
    return [
        Figure(
            name=f"PostgreSQL: durable steps beside {HISTORY:,} finished runs",
            unit="steps/s",
            ours=median(with_history),
            peer=median(empty),
            peer_name="an empty store",
            more=True,
            note=f"{spread(with_history)}; empty: {spread(empty)}; {size / HISTORY:,.0f} bytes of disk a one-step run, indexes included",
        )
    ]


def _fill(url: str) -> float:
    """Write the history; return how many bytes it takes."""
    with psycopg.connect(url, autocommit=True) as connection:
        before = _size(connection)
        for first in range(1, HISTORY + 1, 1_000_000):
            last = min(first + 999_999, HISTORY)
            connection.execute(_RUNS, (first, last))
            connection.execute(_JOURNAL, (first, last))
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
        return _size(connection) - before


def _size(connection: "psycopg.Connection[tuple[int]]") -> int:
    row = connection.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None
    return row[0]


def _rate(url: str) -> float:
    found = measure("ours_postgres", "more_steps", RUNS, STEPS, url=url)
    return float(found["units"] / found["took_s"])
