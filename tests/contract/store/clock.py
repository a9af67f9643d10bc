"""A clock that stands until a test moves it."""

import random

START_AT = 1_800_000_000_000


class FakeClock:
    """Time as an argument; chance from a seed."""

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
