"""A consumer that must be the only one: it runs while it has the lock, and ends although the store does not answer."""

import asyncio

import pytest

from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import DONE, LockGranted, Refused
from mainspring.triggers import consumer
from mainspring.triggers.consumer import ExclusiveConsumer


class Store:
    """Answers as it is asked to; what was sent is kept."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    async def submit(self, command):
        self.sent.append(type(command))
        answer = self.answers.pop(0)
        if answer is None:
            await asyncio.Event().wait()
        return answer


class FakeConsumer:
    """Runs until it is cancelled."""

    def __init__(self):
        self.runs = asyncio.Event()

    async def run(self):
        self.runs.set()
        await asyncio.Event().wait()


async def ended(store, consumer):
    task = asyncio.create_task(ExclusiveConsumer(consumer, "a/queue", store).run())
    async with asyncio.timeout(60):
        await consumer.runs.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.asyncio
async def test_consumer_waits_for_its_turn_and_returns_it(monkeypatch):
    """Another scheduler has it first."""
    monkeypatch.setattr(consumer, "_RETRY_AFTER_S", 0.0)
    store = Store(Refused("held"), LockGranted(7), DONE)
    await ended(store, FakeConsumer())
    assert store.sent == [AcquireLock, AcquireLock, ReleaseLock]


@pytest.mark.asyncio
async def test_consumer_ends_although_the_store_is_unreachable(monkeypatch):
    """No one waits for an answer that does not come: the end of the session frees the lock."""
    monkeypatch.setattr(consumer, "_RELEASE_TIMEOUT_S", 0.01)
    store = Store(LockGranted(7), None)
    await ended(store, FakeConsumer())
    assert store.sent == [AcquireLock, ReleaseLock]
