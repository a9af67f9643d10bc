"""Ten thousand schedules: how long after its due time a slot's run begins."""

import statistics
import time

from bench.figure import Figure
from bench.process import measure
from bench.project import project

SCHEDULES, EVERY_S = 10_000, 100
FEWEST = 5_000


def figures() -> list[Figure]:
    """A hundred slots a second. The peer keeps its jobs in SQLite too, calls a function in its own process, and keeps no record of it."""
    with project(f"{SCHEDULES} {EVERY_S}", concurrency=256) as ours:
        ours.wait("select 1 where (select count(*) from schedules) >= ?", SCHEDULES)
        time.sleep(5)  # the first slots of all are made at once, for an interval begins at once
        began = time.time_ns() // 1_000_000
        late = "select 1 where (select count(*) from runs where slot_at >= ? and finished_at is not null) >= ?"
        ours.wait(late, began, FEWEST, within=300)
        query = "select started_at - slot_at from runs where slot_at >= ? and started_at is not null"
        took = [float(row[0]) for row in ours.rows(query, began)]
    peer = measure("apscheduler_side", "punctuality", SCHEDULES, EVERY_S, 40)
    return [
        Figure(
            name=f"a slot's run begins, {SCHEDULES:,} schedules, p{p}",
            unit="ms",
            ours=statistics.quantiles(took, n=100)[p - 1],
            peer=peer[f"p{p}"],
            peer_name="APScheduler 3, SQLite",
            note=f"{len(took):,} slots; APScheduler: {peer['count']:,}, missed {peer['missed']:,}",
        )
        for p in (50, 99)
    ]
