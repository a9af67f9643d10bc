"""What a coroutine gets of a command: its result, or what was raised; and a late answer to one that is gone harms no one."""

import asyncio

import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.commit_and_wait import commit_and_wait

pytestmark = pytest.mark.asyncio


class Store:
    """Keeps what it is asked, until the test answers."""

    session = None

    def __init__(self):
        self.requests = asyncio.Queue()

    def submit(self, command, on_done):
        self.requests.put_nowait((command, on_done))

    def apply(self, command):
        raise AssertionError("it would hold up the loop")


async def test_result_returns_to_the_coroutine():
    """It waits until the answer is there."""
    store = Store()
    waiting = asyncio.create_task(commit_and_wait(store, "command"))
    command, answer = await store.requests.get()
    assert command == "command"
    assert not waiting.done()
    answer(7)
    assert await waiting == 7


async def test_error_answer_of_the_store_is_raised():
    """A store that is away is no result."""
    store = Store()
    waiting = asyncio.create_task(commit_and_wait(store, "command"))
    _, answer = await store.requests.get()
    answer(StoreUnavailableError("away"))
    with pytest.raises(StoreUnavailableError, match="away"):
        await waiting


async def test_late_answer_is_nobodys():
    """Anyone who was cancelled is not told any more, and the store does not hear of it."""
    store = Store()
    waiting = asyncio.create_task(commit_and_wait(store, "command"))
    _, answer = await store.requests.get()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    answer(7)
    answer(StoreUnavailableError("away"))
    assert waiting.cancelled()
