"""Wherever a process dies, each message of a successful step reaches its broker at least once under one id, of a failed one never."""

import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.one_project import ROOT
from tests.brokers.server import BrokerServer
from tests.brokers.servers import start_broker
from tests.crash.scenarios import ALL
from tests.sampling import sample

pytestmark = pytest.mark.timeout(0 if ALL else 180)
AUTOMATIONS = """
import mainspring as ms

@ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
async def sends(queue: str, number: int) -> list[str]:
    ids = [ms.send(f"b/{queue}", {"number": number, "part": part}) for part in (1, 2)]
    if number % 3 == 2 and ms.attempt() == 1:
        raise ms.Transient("not yet")
    return ids

@ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
async def fails(queue: str, number: int) -> None:
    ms.send(f"b/{queue}", {"number": number, "part": 0})
    raise ms.Transient("never")

def in_thread(queue: str, number: int) -> str:
    return ms.send(f"b/{queue}", {"number": number, "part": 2})

async def in_loop(queue: str, number: int) -> str:
    return ms.send(f"b/{queue}", {"number": number, "part": 1})

@ms.workflow
async def two_steps(run: ms.Run, queue: str, number: int) -> list[str]:
    return [await run.step(in_loop, queue, number), await run.step(in_thread, queue, number)]
"""
LIFE = """
import asyncio, sys
import mainspring as ms
from mainspring.store import failpoints
from mainspring.store.read.outbox import list_outbox_queues
from work import fails, sends, two_steps

store, broker, queue, order, first, end = sys.argv[1:]
failpoints.install(failpoints.parse(order))

async def live():
    app = ms.App(store, brokers={"b": broker})
    async with app.running():
        handles = []
        for number in range(int(first), int(end)):
            for kind in (sends, two_steps, fails):
                handles.append(await app.options(key=f"{kind.name}-{number}").start(kind, queue, number))
        await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
        while list_outbox_queues(app._runtime.store.reader):
            await asyncio.sleep(0.01)

asyncio.run(live())
"""
RUNS = 3
SENDER = [
    f"sender.{place}:kill@{n}"
    for place, n in [("taken", 1), ("message", 1), ("message", 3), ("sent", 1), ("settled", 1)]
]
COMMITS = sample(
    "commits of a sender",
    [f"commit.{side}:kill@{n}" for n in range(4, 15 if ALL else 12) for side in ("before", "after")],
    one_in=4,
)


@pytest.fixture(scope="module")
def valkey() -> Iterator[BrokerServer]:
    """A broker that takes a message as often as it is sent, so that doubles are seen."""
    server = start_broker("valkey")
    yield server
    server.remove()


class Lives:
    """Processes on one store, each after the one before."""

    def __init__(self, folder: Path, store: str, valkey: BrokerServer) -> None:
        self.folder = folder
        (folder / "work.py").write_text(AUTOMATIONS)
        self.store = store
        self.broker = f"redis://127.0.0.1:{valkey.port}/0"
        self.queue = valkey.new_name()
        self.client: Any = Redis(port=valkey.port)
        self.killed = 0

    def live(self, order: str, first: int, end: int) -> None:
        """Let one process start runs of these numbers, and work until they are over and all is sent, or until it is killed as ordered."""
        done = subprocess.run(
            [sys.executable, "-c", LIFE, self.store, self.broker, self.queue, order, str(first), str(end)],
            cwd=self.folder, env={"PYTHONPATH": f"{ROOT / 'src'}:{self.folder}", "PATH": "/usr/bin", "HOME": str(self.folder)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == (-9 if order else 0) or (order and done.returncode == 0), done.stderr
        self.killed += done.returncode == -9

    def received(self) -> list[tuple[str, bytes]]:
        """What the broker has: (id, body), in its order."""
        return [(fields[b"message_id"].decode(), fields[b"body"]) for _, fields in self.client.xrange(self.queue)]


def check(received: list[tuple[str, bytes]], runs: int) -> None:
    """Each message is there, under one id, and what is behind it came behind it."""
    by_body: dict[bytes, set[str]] = {}
    for name, body in received:
        by_body.setdefault(body, set()).add(name)
    expected = {b'{"number":%d,"part":%d}' % pair: 2 for pair in itertools.product(range(runs), (1, 2))}
    assert {body: len(names) for body, names in by_body.items()} == expected, "one id of the task, one of the workflow"
    names = [name for name, _ in received]
    assert len(set(names)) == 4 * runs
    first = {name: names.index(name) for name in names}
    for number in range(runs):
        parts = [
            sorted(first[name] for name in by_body[b'{"number":%d,"part":%d}' % (number, part)]) for part in (1, 2)
        ]
        assert all(first < second for first, second in zip(*parts, strict=True)), (
            "a later message of a run overtook an earlier one"
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "server"])
def test_each_message_is_sent_at_least_once(kind: str, tmp_path: Path, valkey: BrokerServer, request) -> None:
    """A chain of processes on one store, each killed at another place; the last one lives. Who drops known ids sees each message once."""
    store = str(tmp_path / "state.db") if kind == "file" else request.getfixturevalue("postgres").new_store()
    lives = Lives(tmp_path, store, valkey)
    orders = [*SENDER, *COMMITS]
    for place, order in enumerate(orders):
        lives.live(order, place * RUNS, place * RUNS + RUNS)
    lives.live("", 0, len(orders) * RUNS)
    received = lives.received()
    check(received, len(orders) * RUNS)
    doubled = sum(n - 1 for n in Counter(name for name, _ in received).values())
    print(f"{kind}: {len(received)} messages, {doubled} of them doubles, {lives.killed} kills")
    assert lives.killed >= len(orders) - 2, "so few kills prove too little"
    assert doubled, "no Sender was killed between a broker's word and its own"
