"""Filters in a worker: asked again when their verdict was not kept, and never twice at once."""

import asyncio
import threading
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.blocking_calls import executor_caller
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.results import Refused
from mainspring.store.commands.triggers import DecideDelivery
from mainspring.triggers import filter_runner
from mainspring.triggers.filter_runner import FilterRunner
from tests import polling
from tests.unit.triggers.routing import Bench, on_event
from tests.unit.triggers.unreliable_codec import Moody

pytestmark = pytest.mark.asyncio


class Worker:
    """A worker with one automation whose trigger has a filter, on a store that answers as the test says."""

    def __init__(self, bench: Bench, answers: list[Any], name: str = "a", sealing: Sealing = PLAIN_SEALING) -> None:
        self.bench = bench
        self.polls = 0
        self.requests: list[int] = []
        self.received: list[Any] = []
        self.enough = asyncio.Event()
        self.blocker = threading.Event()
        """Filters answer once it is open."""
        self.blocker.set()
        self.release = False
        self._answers = answers
        with Registry() as registry:

            @ms.on.event("e", filter=self._ask)
            @ms.task(name=name)
            def a(n: int, m: int = 0) -> None: ...

        bench.announce((f"{name}/event", on_event(filtered=True)))
        loop = asyncio.get_running_loop()
        off_loop = executor_caller(loop)

        def counted(read: Any, then: Any) -> None:
            self.polls += 1
            off_loop(read, then)

        self.filtering = FilterRunner(loop, self, bench.reader, registry, bench.clock, sealing, counted)  # type: ignore[arg-type]

    def _ask(self, event: ms.Event) -> bool:
        self.requests.append(event.n)
        return self.blocker.wait(10)

    def submit(self, command: Any, answered: Any) -> None:
        if self._answers and isinstance(command, DecideDelivery):
            result = self._answers.pop(0)
        else:
            (result,) = self.bench.process.database.commit([command]).results
        if isinstance(command, DecideDelivery):
            self.received.append(result)
        answered(result)
        if not self._answers and not self.bench.states().count("received"):
            self.enough.set()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(filter_runner, "_RETRY_AFTER_S", 0.01)
    monkeypatch.setattr(filter_runner, "_UNREADABLE_RETRY_S", 0.01)
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "answer",
    [StoreUnavailableError("the server is away"), Refused("busy", "the queue is full", retry_after_ms=10)],
    ids=["outage", "busy"],
)
async def test_verdict_that_was_not_kept_is_requested_again(bench, answer):
    """Whatever kept it, without anyone changing the store."""
    worker = Worker(bench, [answer])
    bench.publish()
    worker.filtering.poll()
    await asyncio.wait_for(worker.enough.wait(), 10)
    assert worker.requests == [1, 1]
    assert bench.states() == ["started"]
    worker.filtering.close()


async def test_codec_that_fails_requests_no_filter_again_each_second(bench, caplog):
    """Why it waits is reported once, and what is wanted starts once the codec works."""
    codec = Moody()
    worker = Worker(bench, [], sealing=Sealing(codec))
    bench.publish(3)
    worker.filtering.poll()
    while worker.polls < 8:
        await asyncio.sleep(0)
    assert worker.requests == [1, 1, 1]
    assert bench.states() == ["received"] * 3
    assert len(caplog.messages) == 1
    assert "codec 'moody' could not seal" in caplog.text
    codec.is_unreachable = False
    bench.clock.at += 5_000
    await asyncio.wait_for(worker.enough.wait(), 10)
    assert bench.states() == ["started"] * 3
    worker.filtering.close()


async def test_filter_is_not_called_twice_where_its_verdict_cannot_be_sealed_during_a_poll(bench):
    """The look has read the delivery as undecided, and then it is released: the next look passes it over."""
    worker = Worker(bench, [], sealing=Sealing(Moody()))
    filtering, read = worker.filtering, worker.filtering._waiting.read
    worker.blocker.clear()
    bench.publish()
    filtering.poll()
    while not worker.requests:
        await asyncio.sleep(0)

    def read_first(*words: Any) -> Any:
        filtering._waiting.read = read
        found = read(*words)
        worker.blocker.set()
        worker.release = any(filtering._unsealed and not filtering._called for _ in polling.polls(60))
        return found

    filtering._waiting.read = read_first
    filtering.poll()
    seen = worker.polls
    while worker.polls < seen + 3:
        await asyncio.sleep(0)
    assert (worker.release, worker.requests) == (True, [1])
    filtering.close()


async def test_polls_of_many_commits_plan_one_later_poll(bench, monkeypatch):
    """While something waits for its codec; else each commit would add a look every five seconds, for as long as that lasts."""
    monkeypatch.setattr(filter_runner, "_UNREADABLE_RETRY_S", 1_000.0)
    loop, planned = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def noted(at, *call, **more):
        planned.append(call_at(at, *call, **more))
        return planned[-1]

    monkeypatch.setattr(loop, "call_at", noted)
    worker = Worker(bench, [], sealing=Sealing(Moody()))
    bench.publish()
    for polls in range(1, 8):
        worker.filtering.poll()
        while worker.polls < polls or worker.filtering._reading:
            await asyncio.sleep(0)
    assert len([start for start in planned if not start.cancelled() and start.when() > loop.time() + 100]) == 1
    worker.filtering.close()


async def test_more_deliveries_than_one_poll_reads_are_all_decided(bench):
    """Each is asked once."""
    bench.process.do(SetQueue("default"))
    worker = Worker(bench, [])
    bench.publish(350)
    worker.filtering.poll()
    await asyncio.wait_for(worker.enough.wait(), 20)
    assert len(worker.requests) == 350
    assert bench.states() == ["started"] * 350
    worker.filtering.close()


async def test_trigger_of_another_user_is_ignored(bench):
    """A worker answers for its own automations."""
    worker = Worker(bench, [])
    bench.announce(("b/event", on_event(filtered=True)), ("a/event", on_event(filtered=True)))
    bench.publish()
    worker.filtering.poll()
    while not worker.received:
        await asyncio.sleep(0)
    assert bench.states("a/event") == ["started"]
    assert bench.states("b/event") == ["received"]
    worker.filtering.close()


async def test_filter_of_an_automation_whose_name_holds_a_slash_is_called(bench):
    """The name of a trigger ends with its last part."""
    worker = Worker(bench, [], name="shop/a")
    bench.publish()
    worker.filtering.poll()
    await asyncio.wait_for(worker.enough.wait(), 10)
    assert worker.requests == [1]
    assert bench.states("shop/a/event") == ["started"]
    worker.filtering.close()
