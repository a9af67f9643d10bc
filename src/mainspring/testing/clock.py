"""A clock that moves only when a test advances it; its random numbers come from a seed, so that a test repeats itself."""

import random
from datetime import UTC, datetime, timedelta

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that a test sets: `ms.App(clock=FakeClock(...))`. It begins at `at` (an instant with a time zone)."""

    def __init__(self, at: datetime = _BEGIN, *, seed: int = 0) -> None:
        self._us = round(at.timestamp() * 1_000_000)
        self._dice = random.Random(seed)

    def now(self) -> int:
        """Return the present instant of the clock in milliseconds since 1970 (UTC)."""
        return self._us // 1_000

    def now_us(self) -> int:
        """Return the present instant in microseconds UTC."""
        return self._us

    def random_bits(self, bits: int) -> int:
        """Return the seed's next random number of this many bits."""
        return self._dice.getrandbits(bits)

    def advance(self, span: timedelta) -> None:
        """Advance by a span; a negative one is a clock that was set back."""
        self._us += span // timedelta(microseconds=1)

    def advance_us(self, span_us: int) -> None:
        """Advance by this many microseconds."""
        self._us += span_us
