"""Looks from outside at what other processes do: each look takes the processor from those that are looked at."""

import contextlib
import time
from collections.abc import Iterator

import apsw
import psycopg

_PAUSE_S = 0.02
"""Between two looks, at least."""


def polls(within_s: float, *, pause_s: float = _PAUSE_S) -> Iterator[None]:
    """Give turns to look until so many seconds are over; before the next one twice as long passes as the look took, and `pause_s`."""
    until = time.monotonic() + within_s
    while (started := time.monotonic()) < until:
        yield
        time.sleep(max(pause_s, 2 * (time.monotonic() - started)))


def states_of(store: str) -> dict[str, str]:
    """Return the state of each run, by its id, of the store at this path or address."""
    text = "select id, state from runs order by seq"
    if not store.startswith("postgresql:"):
        with contextlib.closing(apsw.Connection(store, flags=apsw.SQLITE_OPEN_READONLY)) as raw:
            raw.set_busy_timeout(10_000)  # anyone who opens it after a kill recovers its log
            return dict(raw.execute(text))
    address, _, schema = store.partition("?schema=")
    with psycopg.connect(address, options=f"-csearch_path={schema}") as connection:
        return dict(connection.execute(text.encode()).fetchall())
