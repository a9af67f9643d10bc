"""The request of a step for a lock: it has a number, is answered once from any thread, and is awaited in a thread or an event loop."""

import asyncio
import contextlib
from collections.abc import Generator
from concurrent.futures import Future, InvalidStateError
from typing import Any


class LockRequest:
    """One request for a lock. `number` is unique within its attempt; a waiter may stop waiting at any time."""

    __slots__ = ("_token", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._token: Future[int] = Future()

    def answer(self, result: int | BaseException) -> None:
        """Settle it with the fencing token or an error; the first call counts."""
        with contextlib.suppress(InvalidStateError):  # settled before, or no code waits any more
            if isinstance(result, int):
                self._token.set_result(result)
            else:
                self._token.set_exception(result)

    def wait(self) -> int:
        """Block this thread until it is settled; return the token or raise the error."""
        return self._token.result()

    def __await__(self) -> Generator[Any, None, int]:
        """Wait in the running loop, without blocking it and without a thread to join at its end."""
        return asyncio.wrap_future(self._token).__await__()
