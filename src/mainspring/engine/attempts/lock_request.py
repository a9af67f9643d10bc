"""A lock on its way to a step: asked for under a number, answered once from any thread, waited for in a thread or in an event loop."""

import asyncio
import contextlib
from collections.abc import Generator
from concurrent.futures import Future, InvalidStateError
from typing import Any


class LockRequest:
    """One request for a lock. `number` tells it from all others of its attempt; who waits may stop waiting at any time."""

    __slots__ = ("_token", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._token: Future[int] = Future()

    def answer(self, result: int | BaseException) -> None:
        """Settle it with the fencing token, or with what kept it back; the first call counts."""
        with contextlib.suppress(InvalidStateError):  # settled before, or nobody waits any more
            if isinstance(result, int):
                self._token.set_result(result)
            else:
                self._token.set_exception(result)

    def wait(self) -> int:
        """Block this thread until it is settled; raises what kept it back."""
        return self._token.result()

    def __await__(self) -> Generator[Any, None, int]:
        """Wait in the loop that runs here, which is not held up and has no thread to join at its end."""
        return asyncio.wrap_future(self._token).__await__()
