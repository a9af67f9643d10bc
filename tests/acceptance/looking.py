"""Looks into a store from outside, many a second: a command line for each look would keep a core from those that are looked at."""

import contextlib

import apsw
import psycopg

PAUSE_S = 0.02
"""Between two looks."""


def states_of(store: str) -> dict[str, str]:
    """Return the state of each run, by its id, of the store at this path or address."""
    text = "select id, state from runs order by seq"
    if not store.startswith("postgresql:"):
        with contextlib.closing(apsw.Connection(store, flags=apsw.SQLITE_OPEN_READONLY)) as raw:
            raw.set_busy_timeout(10_000)  # whoever opens it after a kill recovers its log
            return dict(raw.execute(text))
    address, _, schema = store.partition("?schema=")
    with psycopg.connect(address, options=f"-csearch_path={schema}") as connection:
        return dict(connection.execute(text.encode()).fetchall())
