"""A bare durable commit: one row, WAL, synchronous=FULL, nothing around it. And what one fsync costs."""

import os
import time
from pathlib import Path

import apsw


class Bare:
    """A database with one table."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.execute("create table kept (id integer primary key, value blob)")

    def commit(self, count: int) -> list[float]:
        """Commit so many rows, each by itself; return what each took, in microseconds."""
        took: list[float] = []
        for _ in range(count):
            began = time.perf_counter_ns()
            self._connection.execute("begin immediate")
            self._connection.execute("insert into kept (value) values (?)", (b"x" * 200,))
            self._connection.execute("commit")
            took.append((time.perf_counter_ns() - began) / 1000)
        return took


def fsync_us(folder: Path, count: int = 200) -> list[float]:
    """Append 4 KiB and fsync so many times; return what each took, in microseconds."""
    took: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter_ns()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append((time.perf_counter_ns() - began) / 1000)
    return took
