"""A clock that stands until a test moves it."""

import random
from collections.abc import Callable

START_AT = 1_800_000_000_000


class FakeClock:
    """Time as an argument; chance from a seed. No store looks whether it was set: tests set it as they like."""

    passed: Callable[[], float] | None = None

    def __init__(self, at: int = START_AT, seed: int = 1) -> None:
        self.at = at
        self._random = random.Random(seed)

    def now(self) -> int:
        return self.at

    def random_bits(self, bits: int) -> int:
        return self._random.getrandbits(bits)

    def forward(self, ms: int) -> int:
        self.at += ms
        return self.at


class SettableClock(FakeClock):
    """A clock beside seconds that no one can set: `forward` is time that passes, `put` sets the clock alone."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_ms = 0
        self.passed = lambda: self._passed_ms / 1000

    def forward(self, ms: int) -> int:
        """Let time pass."""
        self._passed_ms += ms
        return super().forward(ms)

    def put(self, by_ms: int) -> int:
        """Set the clock forward, or back where negative."""
        self.at += by_ms
        return self.at
