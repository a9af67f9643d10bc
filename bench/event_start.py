"""From the commit of an event in one process to the beginning of the run that it starts in another."""

import asyncio
import statistics
import time

from bench.figure import Figure
from bench.process import measure
from bench.project import project
from mainspring.domain.clock import SystemClock
from mainspring.domain.ids import make_id
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.process_store import ProcessStore

EVENTS, PAUSE_S = 100, 0.1


def figures() -> list[Figure]:
    """Through all of it: publication, router, worker. The peer's task is taken from its queue by its consumer, without an event between."""
    with project() as ours:
        asyncio.run(_publish(ours.store))
        ours.wait(
            "select 1 where (select count(*) from runs where automation = 'hear' and state = 'succeeded') = ?", EVENTS
        )
        took = [int(row[0]) / 1e6 for row in ours.rows("select result from runs where automation = 'hear'")]
    peer = measure("huey_side", "notice", EVENTS)
    return [
        Figure(
            name=f"an event starts a run, p{p}",
            unit="ms",
            ours=statistics.quantiles(took, n=100)[p - 1],
            peer=peer[f"p{p}"],
            peer_name="huey (SQLite), task",
            note=f"{EVENTS} events",
        )
        for p in (50, 99)
    ]


async def _publish(store: ProcessStore) -> None:
    clock = SystemClock()
    for number in range(EVENTS):
        await asyncio.sleep(PAUSE_S + number % 7 * 0.013)  # not in step with whatever the others do
        now = clock.now()
        data = b'{"published_ns": %d}' % time.time_ns()
        event = PublishEvent(make_id("e", now, clock.random_bits(80)), "bench.happened", data, now + 86_400_000)
        await asyncio.to_thread(store.apply, event)
