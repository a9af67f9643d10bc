"""The action of queues: in a step through the outbox, in a program once for its key, at a real broker that counts."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import apsw
import nats
import pytest

import mainspring as ms
from mainspring.actions import queue
from mainspring.app.program_secrets import program_secrets
from mainspring.domain.errors import ArgumentError, ConfigError, OptionError, ValueRefusedError
from mainspring.testing import ActionContract
from tests.brokers.nats_server import NatsServer
from tests.brokers.server import PASSWORD
from tests.brokers.servers import start_broker
from tests.polling import polls
from tests.unit.actions import queue_program, queue_steps
from tests.unit.actions.kills import check_contract


class Stream:
    """A stream of NATS, which drops ids that it knows. `name` = how the configuration calls its subject."""

    def __init__(self, server: NatsServer, url: str) -> None:
        self.server = server
        self.base, _, self.subject = url.partition("?subject=")
        self.name = f"orders/{self.subject}"

    def ids(self) -> list[str]:
        """Return the ids of the stored messages."""
        return [message.headers["Nats-Msg-Id"] for message in asyncio.run(self._read())]

    def bodies(self) -> list[bytes]:
        """Return the stored messages."""
        return [message.data for message in asyncio.run(self._read())]

    async def _read(self):
        client = await nats.connect(f"nats://127.0.0.1:{self.server.port}", allow_reconnect=False)
        stream, name = client.jetstream(), self.base.rpartition("/")[2]
        last = (await stream.stream_info(name)).state.last_seq
        found = [await stream.get_msg(name, number) for number in range(1, last + 1)]
        await client.close()
        return found


@pytest.fixture(scope="module")
def server():
    broker = start_broker("nats")
    yield broker
    broker.remove()


@pytest.fixture
def stream(server, ledger, tmp_path, monkeypatch):
    found = Stream(server, asyncio.run(server.new_queue()))
    (tmp_path / "mainspring.toml").write_text(f'[brokers]\norders = "{found.base}"\naway = "nats://127.0.0.1:1/AWAY"\n')
    monkeypatch.setenv("MAINSPRING_CONFIG", str(tmp_path / "mainspring.toml"))
    return found


def test_program_publishes_once_for_its_key(stream):
    """The second call sends nothing; without a key each call is a message of its own."""
    first = queue.publish(stream.name, {"order": 17}, once="order:17", headers={"x-kind": "order"})
    assert queue.publish(stream.name, {"order": 17}, once="order:17", headers={"x-kind": "order"}) == first
    assert (stream.ids(), stream.bodies(), first.is_sent) == ([first.id], [b'{"order":17}'], True)
    named = asyncio.run(queue.publish_async(stream.name, b"raw", key="order-18"))
    assert named.id == "order-18"
    asyncio.run(queue.publish_async(stream.name, b"raw", key="order-18"))
    queue.publish(stream.name, 1)
    queue.publish(stream.name, 1)
    assert len(stream.ids()) == 4


def test_message_of_unknown_outcome_is_sent_again_under_its_id(stream, monkeypatch):
    """The broker has it, and its answer was lost."""
    from mainspring.integrations.nats import NatsSource

    publish = NatsSource.publish

    async def lose(self, *message):
        await publish(self, *message)
        raise ConnectionResetError

    monkeypatch.setattr(NatsSource, "publish", lose)
    with pytest.raises(ms.Transient, match="may have been sent: ConnectionResetError"):
        queue.publish(stream.name, {"order": 17}, once="order:17")
    monkeypatch.setattr(NatsSource, "publish", publish)
    sent = queue.publish(stream.name, {"order": 17}, once="order:17")
    assert stream.ids() == [sent.id]


@pytest.mark.slow
def test_program_that_is_killed_publishes_once_for_its_key(stream):
    """Killed before it sends, after it has sent, and after its outcome is on record; the next call ends with one message."""
    places = ("effect.started", "effect.performed", "effect.settled")
    words = [sys.executable, "-m", queue_program.__name__, stream.name]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    programs = [subprocess.Popen([*words, place], env=environment) for place in places]
    assert [program.wait(60) for program in programs] == [-signal.SIGKILL] * 3
    known = stream.ids()
    assert len(known) == 2
    sent = [queue_program.publish_place(stream.name, place) for place in places]
    assert sorted(stream.ids()) == sorted(message.id for message in sent)
    assert {message.id for message in sent[1:]} == set(known)
    assert [queue_program.publish_place(stream.name, place) for place in places] == sent
    assert len(stream.ids()) == 3


def test_broker_that_is_away_has_no_message(stream):
    """Nothing was sent, so that a later call sends it."""
    with pytest.raises(ms.NotSent, match="cannot be reached"):
        queue.publish("away/a", 1, once="order:19")


def test_password_of_a_broker_is_a_recorded_use_of_the_program(stream, monkeypatch):
    """As a secret that other actions read."""
    monkeypatch.setenv("MAINSPRING_SECRET_BROKER", "p4ss-of-the-broker")
    with pytest.raises(ms.NotSent):
        queue.publish("nats://ann:{secret:BROKER}@127.0.0.1:1/AWAY?subject=away", 1)
    assert "BROKER" in {use.secret for use in program_secrets()._uses}


@pytest.mark.slow
def test_step_keeps_the_contract(server, stream, tmp_path):
    """Each order is known to the broker by one id, or waits in the outbox of the store."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = folder / "contract.db"
    address = asyncio.run(server.with_user(f"{stream.base}?subject={stream.subject}"))

    def count(number):
        known = set(stream.ids())
        with contextlib.closing(apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)) as raw:
            raw.set_busy_timeout(10_000)
            known |= {key for (key,) in raw.execute("select key from outbox")}
        return int(f"order-{number}" in known)

    contract = ActionContract(
        queue_steps.publish_order,
        args=lambda number: [number, address],
        effects=count,
        is_named=False,
        secrets=[PASSWORD],
        environment={"MAINSPRING_SECRET_BROKER": PASSWORD},
    )
    check_contract(contract, folder)
    assert len(stream.ids()) == len(set(stream.ids()))


def test_step_publishes_with_its_outcome(stream, tmp_path):
    """A step that fails publishes nothing, and the body of a workflow may not."""

    @ms.workflow
    async def sell(run: ms.Run, number: int) -> list[str]:
        first = await run.step(queue_steps.publish_order, number, stream.name)
        return [first, await run.step(queue_steps.publish_order_async, number, stream.name)]

    @ms.workflow
    async def cheat(run: ms.Run) -> None:
        queue.publish(stream.name, 1)

    async def work():
        app = ms.App(tmp_path / "runs.db", brokers={"orders": stream.base})
        async with app.running():
            for failing in (app.options().start(sell, -1), app.options().start(cheat)):
                with pytest.raises(ms.RunFailed):
                    await (await failing).result()
            ids = await (await app.start(sell, 7)).result()
            for _ in polls(60):
                if len(await asyncio.to_thread(stream.ids)) == 2:
                    break
        return ids

    ids = asyncio.run(work())
    assert stream.ids() == ids
    assert ids[0] == "order-7"


def test_arguments_are_checked(stream, tmp_path):
    """Before anything is on record."""
    with pytest.raises(ArgumentError, match="is not a queue"):
        queue.publish("orders", 1)
    with pytest.raises(ConfigError, match="broker"):
        queue.publish("unknown/a", 1)
    with pytest.raises(OptionError, match="needs once="):
        queue.publish(stream.name, 1, within="1h")
    with pytest.raises(ValueRefusedError, match="message to"):
        queue.publish(stream.name, float("nan"))

    @ms.task
    def named() -> None:
        queue.publish(stream.name, 1, once="order:1")

    with pytest.raises(ms.RunFailed, match="are for programs"):
        ms.App(tmp_path / "runs.db").run(named)
    assert stream.ids() == []
