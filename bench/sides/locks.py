"""`python -m bench.sides.locks WHAT NUMBER`: locks of plain programs, through `ms.lock`; prints JSON."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("MAINSPRING_STORE_URL", os.environ.get("BENCH_STORE") or f"{os.environ['BENCH_FOLDER']}/state.db")
SERVER = os.environ.get("BENCH_STORE")


def uncontended(count: int) -> dict[str, Any]:
    """Microseconds of one acquire and release, in turn with the same by hand: two commits, or an advisory lock with a sequence."""
    import mainspring as ms

    by_hand = _advisory() if SERVER else _two_commits()
    spans: list[list[float]] = [[], []]
    for number in range(count + 10):
        began = time.perf_counter()
        with ms.lock("l"):
            pass
        ours, began = time.perf_counter() - began, time.perf_counter()
        by_hand()
        if number >= 10:
            spans[0].append(ours * 1e6)
            spans[1].append((time.perf_counter() - began) * 1e6)
    return {"ours_us": spans[0], "peer_us": spans[1]}


def _two_commits() -> Any:
    connection = sqlite3.connect(Path(os.environ["BENCH_FOLDER"]) / "bare.db", isolation_level=None)
    connection.executescript("pragma journal_mode = wal; pragma synchronous = full")
    connection.execute("create table locks (name text primary key, token integer)")

    def by_hand() -> None:
        connection.execute("insert into locks values ('l', 1)")
        connection.execute("delete from locks where name = 'l'")

    return by_hand


def _advisory() -> Any:
    import psycopg

    connection = psycopg.connect(str(SERVER), autocommit=True)
    connection.execute("create sequence if not exists lock_token")

    def by_hand() -> None:
        connection.execute("select pg_advisory_lock(hashtextextended('l', 0))")
        connection.execute("select nextval('lock_token')")
        connection.execute("select pg_advisory_unlock(hashtextextended('l', 0))")

    return by_hand


def handover(count: int) -> dict[str, Any]:
    """Milliseconds from the release in one process to the block of the next waiter in another one."""
    import mainspring as ms

    words = [sys.executable, "-m", "bench.sides.locks", "wait", str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as waiter:
        assert waiter.stdin is not None
        assert waiter.stdout is not None
        spans = []
        for number in range(count):
            with ms.lock("l"):
                waiter.stdin.write("\n")
                waiter.stdin.flush()
                waiter.stdout.readline()
                time.sleep(0.3 + number % 7 / 50)  # the waiter has its place in line by then, and polls at any moment
                released = time.monotonic()
            spans.append((float(waiter.stdout.readline()) - released) * 1e3)
    return {"ms": spans}


def wait(count: int) -> None:
    """Be the waiter of `handover`."""
    import mainspring as ms

    for _ in range(count):
        sys.stdin.readline()
        print("waiting", flush=True)
        with ms.lock("l"):
            entered = time.monotonic()
        print(entered, flush=True)


if __name__ == "__main__":
    if sys.argv[1] != "wait":
        from mainspring.app.project import Project

        Project.find().open_store().close()  # a program uses a store, and makes none
    result = {"uncontended": uncontended, "handover": handover, "wait": wait}[sys.argv[1]](int(sys.argv[2]))
    if result is not None:
        print(json.dumps(result))
