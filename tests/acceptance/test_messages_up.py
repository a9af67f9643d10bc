"""`mainspring up`: what arrives and kills its worker, in its run or its filter, and what no run can be made of, are each seen, alone."""

import asyncio
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.integrations.brokers import parse_broker_queue
from tests.acceptance.one_project import Project
from tests.brokers.server import BrokerServer, Sent
from tests.brokers.servers import start_broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WORK = """
import os, signal
import mainspring as ms

@ms.on.queue("{url}", key="{{body.id}}", max_deliveries=2)
@ms.task
def book(id: str, amount: int = 0) -> int:
    if amount < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return amount
"""


FILTERS = """
import os, signal
import mainspring as ms

def judge(event):
    if event.data["n"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return event.data["n"] % 2 == 0

@ms.on.event("seen", filter=judge)
@ms.task
def note(n: int) -> int:
    return n
"""


def send(nats: BrokerServer, url: str, **bodies: str) -> None:
    asyncio.run(nats.send_raw(parse_broker_queue(url), *(Sent(key, body.encode()) for key, body in bodies.items())))


def test_no_message_takes_the_others_with_it(tmp_path: Path) -> None:
    """Poison needs a person after its third crash, what cannot be read is kept as refused, and all others are booked, each once."""
    nats = start_broker("nats")
    url = asyncio.run(nats.new_queue())
    project = Project(tmp_path, WORK.format(url=url))

    def read_states() -> dict[str, str]:
        return {run["id"]: run["state"] for run in project.json("runs", "list", "--name", "book", "--limit", "100")}

    def refused() -> list[dict[str, str]]:
        found = project.json("triggers", "show", "book", "--limit", "100")["deliveries"]
        return [delivery for delivery in found if delivery["state"] == "refused"]

    try:
        project.up("up", "--processes", "1")
        good = {f"g{n}": f'{{"id": "g{n}", "amount": {n}}}' for n in range(10)}
        send(
            nats,
            url,
            **good,
            poison='{"id": "p", "amount": -1}',
            keyless='{"amount": 1}',
            odd='{"id": "o", "amount": "x"}',
        )
        send(nats, url, again='{"id": "g1", "amount": 1}', other='{"id": "g1", "amount": 2}')
        project.until(
            lambda: sorted(set(read_states().values())) == ["needs_attention", "succeeded"] and len(read_states()) == 11
        )
        assert sorted(read_states().values()) == ["needs_attention", *["succeeded"] * 10]
        (poison,) = [run for run, state in read_states().items() if state == "needs_attention"]
        assert "crashed its worker process three times" in project.call("explain", poison).stdout
        project.until(lambda: len(refused()) == 3)
        assert sorted(delivery["verified"] or "-" for delivery in refused()) == ["-", "misfit", "other_body"]
        (keyless,) = [delivery for delivery in refused() if delivery["verified"] == "misfit"]
        displayed = project.json("triggers", "show", keyless["id"])
        assert (displayed["body"], displayed["headers"]["message-id"]) == ({"amount": 1}, "keyless")
        rejected = "3 deliveries of book/queue were rejected and started nothing"
        project.until(lambda: rejected in project.call("status", code=9).stdout)
        assert asyncio.run(nats.left(parse_broker_queue(url), "mainspring-book")) == 0
    finally:
        project.stop()
        project.kill_all()
        nats.remove()


def test_filter_that_kills_its_worker_fails_only_its_delivery(tmp_path: Path) -> None:
    """After the third crash; every other delivery gets its verdict, and the worker stays."""
    project = Project(tmp_path, FILTERS)

    def verdicts() -> list[str]:
        found = project.json("triggers", "show", "note", "--limit", "100")["deliveries"]
        return sorted(delivery["state"] for delivery in found)

    async def publish() -> None:
        app = ms.App(project.store)
        for n in range(8):
            await app.publish("seen", {"n": n})

    try:
        project.up("up", "--processes", "1")
        project.until(lambda: project.json("triggers", "list"))
        asyncio.run(publish())
        project.until(lambda: verdicts() == ["failed", *["filtered"] * 3, *["started"] * 4])
        assert "each time the process ended" in project.call("triggers", "show", "note").stdout
        project.until(lambda: sorted(project.states().values()) == ["succeeded"] * 4)
    finally:
        project.stop()
        project.kill_all()
