"""One PostgreSQL server for both sides of a figure, and what a side cost it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres_server import PostgresServer

SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "jit": "off",
}
"""What keeps a commit is on; the rest is usual for a queue on a server, the same for all sides."""

_COUNTERS = """
select pg_current_wal_insert_lsn() - '0/0'::pg_lsn, (select xact_commit from pg_stat_database where datname = current_database())
"""


@contextmanager
def server() -> Iterator[PostgresServer]:
    """Start a server that keeps what it acknowledges, in a new folder on the disk; remove it at the end."""
    found = PostgresServer(settings=SETTINGS).start()
    try:
        yield found
    finally:
        found.remove()


def new_database(found: PostgresServer, name: str) -> str:
    """Make an empty database and return its address."""
    with psycopg.connect(found.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return found.url(name)


class Spent:
    """What happened between making this and `read()`: seconds, CPU of this process and of the server, WAL, transactions.

    `url` is any address of the server. The CPU of the server is that of the postmaster and all its processes, ended ones too.
    """

    def __init__(self, url: str) -> None:
        self._url = url.split("?", maxsplit=1)[0]
        with psycopg.connect(self._url) as connection:
            self._postmaster = _postmaster(connection)
        self._began = self._now()

    def read(self) -> dict[str, float]:
        """Return `took_s`, `cpu_s`, `server_cpu_s`, `wal_bytes`, `commits` since the beginning."""
        names = ("took_s", "cpu_s", "server_cpu_s", "wal_bytes", "commits")
        return {name: end - start for name, end, start in zip(names, self._now(), self._began, strict=True)}

    def _now(self) -> tuple[float, ...]:
        with psycopg.connect(self._url) as connection:
            connection.execute("select pg_stat_force_next_flush()")
            row: Any = connection.execute(_COUNTERS).fetchone()
        return time.perf_counter(), time.process_time(), cpu_of_tree(self._postmaster), float(row[0]), float(row[1])


def _postmaster(connection: Any) -> int:
    """Return the parent of the process that serves this connection."""
    return int(_stat(connection.info.backend_pid)[1])


def cpu_of_tree(postmaster: int) -> float:
    """Return the CPU seconds of the server: of its processes that live and of those that ended."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split()
    clocks = sum(int(value) for value in _stat(postmaster)[11:15])
    for child in children:
        try:
            clocks += sum(int(value) for value in _stat(int(child))[11:13])
        except OSError:  # it ended since; then its parent has its time at the next look
            continue
    return float(clocks) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
