"""A virtual event loop (asyncio) on a FakeClock: if nothing is ready, time jumps to the next timer. A day of waiting takes no time.

Nothing outside can wake it: no threads, no sockets, no processes. If nothing is ready and no timer is set it raises instead of waiting
for ever.
"""

import asyncio
import selectors
from typing import Any

from mainspring.testing.clock import FakeClock


class DeadlockError(RuntimeError):
    """Everything in a VirtualLoop waits, and no timer is set: a test would hang."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is the clock's time since the loop was made, in seconds.

    Raises (from run_until_complete and run_forever):
        DeadlockError: nothing can happen any more.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._started_us = clock.now_us()
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        """Return the seconds since the loop was made."""
        return (self.clock.now_us() - self._started_us) / 1_000_000


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock instead of waiting."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise DeadlockError("everything waits for something, and no timer is set")
        if timeout > 0:
            self._clock.advance_us(max(1, -int(-timeout * 1_000_000 // 1)))
        return []
