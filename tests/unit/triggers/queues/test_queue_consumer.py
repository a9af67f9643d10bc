"""The consumer of a queue against a broker and a store of the test: what it does when either misbehaves."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio

from mainspring.domain.errors import ConfigError, FencedError, StoreUnavailableError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.results import DONE, Refused
from mainspring.triggers.queues.consumer_state import QueueConsumerState
from mainspring.triggers.queues.queue_consumer import QueueConsumer

pytestmark = pytest.mark.asyncio
_URL = "redis://:{secret:CACHE}@h/0?stream=orders"


class Clock:
    """Is stuck, and throws the highest number."""

    def now(self) -> int:
        return 1_000

    def random_bits(self, bits: int) -> int:
        return (1 << bits) - 1


class Source:
    """A broker that gives out batches, then nothing; what it was reported is written down."""

    def __init__(self, *batches: list[QueueMessage]) -> None:
        self.batches = list(batches)
        self.reports: list[tuple[str, str]] = []
        self.limits: list[int] = []
        self.pauses: list[float] = []
        self.breaks: Callable[[str], None] = lambda _: None
        self.idle = asyncio.Event()

    async def connect(self) -> None:
        self.breaks("connect")

    async def fetch(self, limit: int) -> list[QueueMessage]:
        self.limits.append(limit)
        self.breaks("fetch")
        if self.batches:
            return self.batches.pop(0)
        self.idle.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        self._reply("keep", *messages)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self.breaks("acknowledge")
        self._reply("acknowledge", *messages)

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        self.pauses.append(after_s)
        self._reply("give_back", message)

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        self._reply("dead_letter", message)

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        raise AssertionError

    async def close(self) -> None:
        self.breaks("close")
        self._reply("close", QueueMessage(id="", body=b""))

    def _reply(self, word: str, *messages: QueueMessage) -> None:
        self.reports += [(word, message.id) for message in messages]

    def reported(self, word: str) -> list[str]:
        return [name for kind, name in self.reports if kind == word]


class World:
    """One consumer, its broker, its store, and what it reported."""

    def __init__(self) -> None:
        self.source = Source()
        self.clock = Clock()
        self.answers: Callable[[IncomingDelivery], object] = lambda _: DONE
        self.accepted: list[IncomingDelivery] = []
        self.rejected: list[tuple[str, str, IncomingDelivery]] = []
        self.reject: Callable[[], None] = lambda: None
        self.states: list[QueueConsumerState] = []
        self.slept: list[float] = []
        self.secrets = {"CACHE": "s3cr/t"}
        self.watcher: QueueConsumer = None  # type: ignore[assignment]
        self.task: asyncio.Task[Any] = None  # type: ignore[assignment]

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        self.accepted.append(delivery)
        await asyncio.sleep(0)
        answer = self.answers(delivery)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def refuse(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        assert trigger == "orders/queue"
        self.reject()
        self.rejected.append((reason, note, delivery))

    def get(self, name: str) -> str:
        if name not in self.secrets:
            raise ConfigError(f"the secret {name!r} is not set", hint="Set it.")
        return self.secrets[name]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def start(self, *batches: list[str], **options: Any) -> None:
        self.source.batches = [[QueueMessage(id=name, body=b'{"p": 1}') for name in batch] for batch in batches]
        self.watcher = QueueConsumer(
            "orders/queue",
            parse_broker_queue(_URL, **options),
            self,
            self,
            report=self.states.append,
            clock=self.clock,
            sleep=self._sleep,
            opens=lambda queue, server, group: self.source,
        )
        self.task = asyncio.create_task(self.watcher.run())

    async def until_idle(self) -> None:
        """Wait until the broker has nothing more."""
        async with asyncio.timeout(60):
            done = asyncio.create_task(self.source.idle.wait())
            await asyncio.wait({done, self.task}, return_when=asyncio.FIRST_COMPLETED)
        assert not self.task.done(), self.task

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    if made.task is not None and not made.task.done():
        await made.stop()


def fails(times: int, error: Exception) -> Callable[..., None]:
    """Return what raises so many times, where it is asked for a connection."""
    left = [times]

    def breaks(act: str) -> None:
        if act == "connect" and left[0]:
            left[0] -= 1
            raise error

    return breaks


async def test_acknowledges_after_the_commit_only(world: World):
    """A message is asked to be done when the store has answered, never before."""
    answered = asyncio.Event()
    seen: list[list[str]] = []

    def answer(delivery: IncomingDelivery) -> object:
        seen.append(world.source.reported("acknowledge"))
        answered.set()
        return DONE

    world.answers = answer
    world.start(["a", "b"])
    await world.until_idle()
    assert seen == [[], []]
    assert world.source.reported("acknowledge") == ["a", "b"]
    assert world.source.limits[0] == 100
    assert world.watcher.state.accepted == 2


async def test_same_delivery_is_sent_until_the_store_is_back(world: World):
    """A store that is away holds the batch; the pauses grow, the consumer says what it waits for, and stops saying so."""
    left = [5]

    def answer(delivery: IncomingDelivery) -> object:
        left[0] -= 1
        return StoreUnavailableError("the server is gone") if left[0] >= 0 else DONE

    world.answers = answer
    world.start(["a"])
    await world.until_idle()
    assert [delivery.key for delivery in world.accepted] == ["a"] * 6
    assert world.source.reported("acknowledge") == ["a"]
    assert "the store: the server is gone" in [state.waits_for for state in world.states]
    assert world.watcher.state.waits_for == ""
    assert all(state.connected for state in world.states)


async def test_busy_consumer_waits_for_the_retry_time(world: World):
    """The answer's own span is waited, with some chance above it, while the messages are kept from others."""
    left = [3]

    def answer(delivery: IncomingDelivery) -> object:
        left[0] -= 1
        return Refused("busy", "full", 4_000) if left[0] >= 0 else DONE

    world.answers = answer
    world.start(["a"])
    await world.until_idle()
    assert len([seconds for seconds in world.slept if 4 <= seconds <= 6]) == 3
    assert world.source.reported("keep")
    assert world.source.reported("acknowledge") == ["a"]


async def test_a_message_that_the_store_cannot_write_keeps_no_other(world: World):
    """It gets its chances, is shown, and then set aside; the rest is acknowledged."""
    world.answers = lambda delivery: UnwritableCommandError("no index takes it") if delivery.key == "a" else DONE
    world.start(["a", "b"], ["a"], max_deliveries=2)
    await world.until_idle()
    assert world.source.reported("acknowledge") == ["b"]
    assert world.source.reported("give_back") == ["a"]
    assert world.source.reported("dead_letter") == ["a"]
    [(reason, note, delivery)] = world.rejected
    assert (reason, delivery.body) == ("not_written", b'{"p": 1}')
    assert "no index takes it" in note


async def test_unrecordable_message_blocks_nothing(world: World, caplog: pytest.LogCaptureFixture):
    """Waiting does not help where the store takes the refusal no more than the message: the log names it, and the queue continues."""

    def reject() -> None:
        raise UnwritableCommandError("no index takes it")

    world.reject = reject
    world.answers = lambda delivery: UnwritableCommandError("no index takes it") if delivery.key == "a" else DONE
    world.start(["a", "b"], max_deliveries=1)
    await world.until_idle()
    assert world.source.reported("dead_letter") == ["a"]
    assert world.source.reported("acknowledge") == ["b"]
    [warning] = [record.getMessage() for record in caplog.records if record.name == "mainspring.queues"]
    assert "message a:" in warning


async def test_a_fenced_process_stops(world: World):
    """Who may write nothing more ends, and gives back what it holds."""
    world.answers = lambda delivery: FencedError("declared dead")
    world.start(["a", "b"])
    with pytest.raises(FencedError):
        await world.task
    assert world.source.reported("acknowledge") == []
    assert world.source.reported("give_back") == ["a", "b"]


async def test_a_fault_of_ours_holds_up_only_its_own_message(world: World):
    """What raises something unforeseen is given back, told, and never acknowledged; the others are."""
    world.answers = lambda delivery: TypeError("oops") if delivery.key == "b" else DONE
    world.start(["a", "b", "c"])
    await world.until_idle()
    assert world.source.reported("acknowledge") == ["a", "c"]
    assert world.source.reported("give_back") == ["b"]
    assert "TypeError: oops" in world.watcher.state.last_refusal


async def test_a_trigger_that_is_gone_gives_its_messages_back(world: World):
    """Nothing is lost by a definition that is about to be there again."""
    world.answers = lambda delivery: Refused("no_trigger", "no trigger orders/queue")
    world.start(["a"])
    await world.until_idle()
    assert world.source.reported("give_back") == ["a"]
    assert world.source.reported("acknowledge") == []


async def test_a_message_without_its_key_has_its_attempts_too(world: World):
    """It never reaches the store under another key; after `max_deliveries` it is set aside."""
    world.start(["a"], ["a"], ["a"], key="{body.missing}", max_deliveries=3)
    await world.until_idle()
    assert world.accepted == []
    assert world.source.reported("give_back") == ["a", "a"]
    assert world.source.reported("dead_letter") == ["a"]
    assert "missing" in world.watcher.state.last_refusal
    assert world.watcher.state.refused == 1
    [(reason, note, delivery)] = world.rejected
    assert reason == "misfit"
    assert "missing" in note
    assert (delivery.body, delivery.headers) == (b'{"p": 1}', {"message-id": "a"})


async def test_refusal_is_reported_until_a_batch_has_none(world: World):
    """What was in the way once is not told for ever."""
    world.answers = lambda delivery: Refused("bad_value", "no") if delivery.key == "a" else DONE
    world.start(["a", "b"], ["c"], ["d"])
    await world.until_idle()
    assert [state.last_refusal for state in world.states] == ["", "a: bad_value: no", ""]


async def test_rejected_message_is_recorded_before_it_leaves_the_queue(world: World):
    """A store that is away is waited for; the key that came with another body is shown as well, and one that may come again is not."""
    left = [2]

    def reject() -> None:
        assert world.source.reported("acknowledge") == world.source.reported("dead_letter") == []
        left[0] -= 1
        if left[0] >= 0:
            raise StoreUnavailableError("away")

    world.reject = reject
    world.answers = lambda delivery: Refused("other_body", "d_1 came before") if delivery.key == "b" else DONE
    world.start(["b"])
    await world.until_idle()
    assert [(reason, note, delivery.body) for reason, note, delivery in world.rejected] == [
        ("other_body", "d_1 came before", b'{"p": 1}')
    ]
    assert world.source.reported("acknowledge") == ["b"]


async def test_one_partition_goes_in_order_and_others_do_not_wait(world: World):
    """Within a partition the next is sent when the one before is stored, over every doubt; another partition continues."""
    failing = [4]
    done: list[str] = []

    def answer(delivery: IncomingDelivery) -> object:
        if delivery.key == "a1" and failing[0]:
            failing[0] -= 1
            return StoreUnavailableError("away")
        done.append(delivery.key)
        return DONE

    world.answers = answer
    world.start(["a1", "b1", "a2", "b2"], partition="{headers.p}")
    for message in world.source.batches[0]:
        message.headers["p"] = message.id[0]
    await world.until_idle()
    assert done.index("a1") < done.index("a2")
    assert done.index("b1") < done.index("b2") < done.index("a1")


@pytest.mark.parametrize("answer", [TypeError("oops"), Refused("no_trigger", "no trigger orders/queue")])
async def test_message_returned_without_fault_keeps_its_place(world: World, answer: object):
    """What comes after it in its partition is given back with it, untried and no sooner; other partitions continue."""
    world.answers = lambda delivery: answer if delivery.key == "a2" and len(world.accepted) < 6 else DONE
    world.start(["a1", "b1", "a2", "a3", "b2", "a4"], partition="{headers.p}")
    attempts = itertools.count()
    world.clock.random_bits = lambda bits: next(attempts) << (bits - 8)  # type: ignore[method-assign]
    for message in world.source.batches[0]:
        message.headers["p"] = message.id[0]
    await world.until_idle()
    assert [delivery.key for delivery in world.accepted if delivery.key[0] == "a"] == ["a1", "a2"]
    assert world.source.reported("acknowledge") == ["a1", "b1", "b2"]
    assert world.source.reported("give_back") == ["a2", "a3", "a4"]
    assert len(set(world.source.pauses)) == 1


async def test_a_message_that_is_at_fault_itself_lets_its_partition_continue(world: World):
    """One that no run can be made of would else keep all that come after it."""
    world.answers = lambda delivery: Refused("bad_value", "no") if delivery.key == "a1" else DONE
    world.start(["a1", "a2"], partition="a")
    await world.until_idle()
    assert world.source.reported("acknowledge") == ["a2"]
    assert world.source.reported("give_back") == ["a1"]


async def test_unreachable_broker_is_retried_for_ever(world: World):
    """Why and since when it is away is reported once; the pauses grow up to half a minute and restart after it answered."""
    world.source.breaks = fails(12, ConnectionRefusedError("no"))
    world.start(["a"])
    await world.until_idle()
    assert world.slept[:3] == pytest.approx([0.1, 0.2, 0.4])
    assert max(world.slept) == pytest.approx(30)
    assert [state.connected for state in world.states] == [False, True]
    assert "ConnectionRefusedError" in world.states[0].reason
    assert world.states[1].reason == ""
    assert world.source.reported("acknowledge") == ["a"]


async def test_acknowledgement_that_fails_is_no_loss(world: World):
    """The message comes again on the next connection and is accepted under the same key; nothing is abandoned."""
    broken = [1]

    def breaks(act: str) -> None:
        if act == "acknowledge" and broken[0]:
            broken[0] -= 1
            raise ConnectionResetError

    world.source.breaks = breaks
    world.start(["a"], ["a"])
    await world.until_idle()
    assert [delivery.key for delivery in world.accepted] == ["a", "a"]
    assert world.source.reported("acknowledge") == ["a"]
    assert [state.connected for state in world.states] == [True, False, True]


async def test_no_secret_is_reported(world: World):
    """A library that puts the password into its error does not put it into the state."""
    world.source.breaks = fails(1, OSError("redis://:s3cr/t@h and redis://:s3cr%2Ft@h refused"))
    world.start()
    await world.until_idle()
    assert "refused" in world.states[0].reason
    assert "s3cr" not in world.states[0].reason


async def test_a_secret_that_is_not_set_is_reported_and_waited_for(world: World):
    """The consumer names it with the way to set it, and connects when it is there."""
    secrets, world.secrets = world.secrets, {}
    world.start()
    async with asyncio.timeout(60):
        while not world.states:
            await asyncio.sleep(0)
    assert "'CACHE' is not set. Set it." in world.states[0].reason
    world.secrets = secrets
    await world.until_idle()
    assert world.watcher.state.connected


async def test_cancelling_ends_it_although_a_library_swallows_that(world: World):
    """Some clients turn a cancellation into an error of theirs: the consumer ends all the same, and closes."""

    async def fetch(limit: int) -> list[QueueMessage]:
        try:
            world.source.idle.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None
        raise AssertionError

    world.source.fetch = fetch  # type: ignore[method-assign]
    world.start()
    await world.until_idle()
    world.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await world.task
    assert world.source.reported("close") == [""]


async def test_a_broker_that_cannot_be_closed_does_not_stop_the_consumer(world: World):
    """Ending a connection that is broken may fail in any way."""
    broken = [1]

    def breaks(act: str) -> None:
        if broken[0] and act in ("fetch", "close"):
            broken[0] -= act == "close"
            raise RuntimeError(act)

    world.source.breaks = breaks
    world.start(["a"])
    await world.until_idle()
    assert world.source.reported("acknowledge") == ["a"]


@pytest.mark.parametrize("end", ["queue", "queue#2"])
async def test_broker_knows_the_whole_name_of_the_automation(world: World, end: str):
    """A slash in a name is a part of it: two automations of one folder of names are two groups, and each gets every message."""
    groups: list[str | None] = []

    def opens(queue: BrokerQueue, server: object, group: str | None) -> Source:
        groups.append(group)
        return world.source

    queue = parse_broker_queue(_URL)
    world.watcher = QueueConsumer(
        f"shop/orders/{end}", queue, world, world, report=world.states.append, clock=world.clock, opens=opens
    )
    world.task = asyncio.create_task(world.watcher.run())
    await world.until_idle()
    assert groups == [queue.group_of("shop/orders")]
    assert groups != [queue.group_of("shop")]
