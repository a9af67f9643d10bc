"""Flags: the time of a question in a program beside OpenFeature, and how long a kill takes to the last of four processes."""

import statistics
from importlib.util import find_spec

from bench.figure import Figure, median, spread
from bench.process import measure
from bench.sides.server import new_database, server

COUNT = 20_000
KILLS = 40


def figures() -> list[Figure]:
    """Through `ms.flag`, `mainspring flags set` and `mainspring flags kill`, in a file and on a server."""
    answers = measure("flags", "evaluate", COUNT)
    rows = [
        Figure(
            name="a question about a flag in a program, p50",
            unit="us",
            ours=median(answers["ours_us"]),
            peer=median(answers["peer_us"]),
            peer_name="OpenFeature, provider in memory",
        ),
        _kill("SQLite", None),
    ]
    if find_spec("psycopg") is not None:
        with server() as one:
            rows.append(_kill("PostgreSQL", new_database(one, "flags")))
    return rows


def _kill(store: str, url: str | None) -> Figure:
    spans = measure("flags", "kill", KILLS, url=url)["ms"]
    return Figure(
        name=f"{store}: kill of a flag, until the last of 4 processes saw it, p99",
        unit="ms",
        ours=statistics.quantiles(spans, n=100, method="inclusive")[98],
        note=spread(spans, "ms"),
    )
