"""Messages through real brokers, from one automation to the next, while workers, schedulers and brokers are killed."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue
from tests.acceptance.one_project import Project
from tests.brokers.server import BrokerServer
from tests.brokers.servers import start_broker

ALL = bool(os.environ.get("TESTS_LONG"))
KILLS = int(os.environ.get("KILLS", "200" if ALL else "6"))
SEED = int(os.environ.get("SEED", "1"))
BETWEEN = 5
"""So many messages pass both automations between two kills: a fleet that makes no progress fails."""
INNOCENT = 3
"""Runs that as many random kills may quarantine, at most."""
VICTIMS = ("worker", "scheduler", "broker")
WORLDS = (
    [*itertools.product(("nats", "rabbit", "valkey"), ("file", "server"))]
    if ALL
    else [("nats", "file"), ("rabbit", "server")]
)
WORK = """
import os
import mainspring as ms

def note(name: str, number: int) -> None:
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write(f"{{name}} {{ms.idempotency_key()}} {{number}}\\n")

@ms.on.queue("{orders}")
@ms.task(retry=ms.Retry(attempts=20, initial="10ms"))
def pack(number: int) -> None:
    ms.send("{parcels}", {{"number": number}})
    note("pack", number)

@ms.on.queue("{parcels}")
@ms.task(retry=ms.Retry(attempts=20, initial="10ms"))
def ship(number: int) -> None:
    note("ship", number)
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(0 if ALL else 240),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]


class Orders:
    """Orders that are sent until it is enough, each again until the broker has accepted it."""

    def __init__(self, url: str) -> None:
        self._queue = parse_broker_queue(url)
        self._enough = threading.Event()
        self.accepted = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Send no more, and return how many orders were accepted."""
        self._enough.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.accepted

    async def _send(self) -> None:
        while True:
            source = open_source(self._queue, resolve_server(self._queue.server, str), None)
            try:
                async with asyncio.timeout(20):
                    await source.connect()
                await self._publish(source)
            except Exception:  # the broker is away: connect again
                await asyncio.sleep(0.05)
            else:
                return
            finally:
                with contextlib.suppress(Exception):
                    await source.close()

    async def _publish(self, source: QueueSource) -> None:
        """Publish until it is enough; what the broker may have accepted is never the last order."""
        while True:
            async with asyncio.timeout(20):
                await source.publish(f"order-{self.accepted}", b'{"number": %d}' % self.accepted, {})
            self.accepted += 1
            if self._enough.is_set():
                return
            await asyncio.sleep(0.05)


class Works:
    """A project that packs orders and ships parcels, its broker, and the fate of both."""

    def __init__(self, folder: Path, broker: BrokerServer, store: str) -> None:
        self.broker = broker
        orders, parcels = (asyncio.run(broker.new_queue(ordered=True)) for _ in range(2))
        self.project = Project(folder, WORK.format(orders=orders, parcels=parcels), '[worker]\nlease = "3s"\n')
        self.project.store = store or self.project.store
        self._read = 0
        self._numbers: dict[str, dict[str, int]] = {"pack": {}, "ship": {}}
        self.queues = {"pack": parse_broker_queue(orders), "ship": parse_broker_queue(parcels)}
        self.store = make_store(self.project.store, clock=SystemClock())
        self._killed: set[int] = set()
        self.project.up("up", "--processes", "2")
        self.project.until(lambda: self.project.json("status") and True)
        self.store.open()
        self.orders = Orders(orders)

    def numbers(self, name: str) -> list[int]:
        """Return the number of each effect under a key of its own."""
        with self.project.effects.open("rb") as effects:
            effects.seek(self._read)
            whole, _, _ = effects.read().rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        for line in whole.decode().splitlines():
            automation, key, number = line.split()
            self._numbers[automation][key] = int(number)
        return list(self._numbers[name].values())

    def rows(self, text: str) -> list[tuple[object, ...]]:
        """Return what the store answers."""
        return list(self.store.reader.read_text(text))

    def kill(self, victim: str) -> None:
        """Kill the broker and start it again, or kill a process that was not killed before; its supervisor starts another one."""
        if victim == "broker":
            self.broker.kill()
            self.broker.start()
            return
        alive = f"select pid from sessions where state = 'alive' and role = '{victim}'"
        pids = self.project.until(lambda: {int(str(pid)) for (pid,) in self.rows(alive)} - self._killed)
        pid = random.choice(sorted(pids))
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    def until_shipped(self, count: int) -> None:
        """Wait until so many parcels were shipped."""
        self.project.until(lambda: len(self.numbers("ship")) >= count)

    def is_all_acknowledged(self) -> bool:
        """Tell whether the broker holds no message for either automation any more."""
        return not any(
            asyncio.run(self.broker.left(queue, f"mainspring-{name}")) for name, queue in self.queues.items()
        )

    def retry_quarantined(self) -> None:
        """Retry what random kills have quarantined: very few runs."""
        runs = [str(run) for (run,) in self.rows("select id from runs where state = 'needs_attention'")]
        assert len(runs) <= INNOCENT
        for run in runs:
            self.project.call("retry", run)

    def close(self) -> None:
        self.store.close()
        self.project.stop()
        self.project.kill_all()


@pytest.fixture(params=WORLDS, ids="-".join)
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    name, store = request.param
    broker = start_broker(name)
    try:
        made = Works(tmp_path, broker, request.getfixturevalue("postgres").new_store() if store == "server" else "")
        yield made
        made.close()
    finally:
        broker.remove()


def test_each_message_counts_once_whatever_is_killed(works: Works) -> None:
    """Each accepted order is packed once and shipped once, nothing is left at a broker or in the outbox, and no run has failed."""
    dice = random.Random(SEED)
    victims = [dice.choice(VICTIMS) for _ in range(KILLS)] if ALL else [*VICTIMS] * (KILLS // len(VICTIMS))
    for victim in victims:
        works.until_shipped(len(works.numbers("ship")) + BETWEEN)
        works.kill(victim)
    count = works.orders.stop()

    def is_all_shipped() -> bool:
        works.retry_quarantined()
        return len(set(works.numbers("ship"))) >= count

    works.project.until(is_all_shipped, timeout_s=120)
    for name in works.queues:
        assert Counter(works.numbers(name)) == Counter(range(count)), name
    works.project.until(lambda: not works.rows("select 1 from runs where state <> 'succeeded' limit 1"))
    assert works.rows("select count(*) from runs") == [(2 * count,)]
    assert works.rows("select count(*) from outbox") == [(0,)]
    works.project.until(works.is_all_acknowledged)
    print(f"{len(victims)} kills {Counter(victims)}, {count} orders")
