"""The clock as an argument: instants are integer milliseconds UTC, and random numbers come from the same place.

Nothing in the engine or the stores reads time or randomness by itself; the code that composes them passes a `Clock`, so that the
simulation and production share every line.
"""

import random
import time
from collections.abc import Callable
from typing import Final, Protocol

MAX_CLOCK_LEAD_MS: Final = 60_000
"""A record written this much later than now was written by a clock that has been put back since."""


class Clock(Protocol):
    """The source of time and random numbers."""

    def now(self) -> int:
        """Return the present instant in milliseconds UTC."""
        ...

    def random_bits(self, bits: int) -> int:
        """Return a random number of this many bits."""
        ...


class SystemClock:
    """The clock of the machine."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def now(self) -> int:
        """Return the machine's wall clock in milliseconds UTC."""
        return time.time_ns() // 1_000_000

    def passed(self) -> float:
        """Return seconds that only grow, asleep or awake."""
        return elapsed_seconds()

    def random_bits(self, bits: int) -> int:
        """Return random bits from the operating system."""
        return self._random.getrandbits(bits)


def elapsed_seconds() -> float:
    """Return seconds that also pass while the machine sleeps, and that no one can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def find_elapsed_clock(clock: Clock) -> Callable[[], float] | None:
    """Return a function of the seconds that pass and that no one can set; None for a clock that only a program moves."""
    return getattr(clock, "passed", None)
