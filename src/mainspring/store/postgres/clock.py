"""The database's time for the process that uses it: machines need not agree on the time, and all count by one clock.

The wall clock of a machine is looked at once, at the start. Between two answers of the database time goes on by what has passed: a clock
that is set by two hours in between would make slots that are not due for two hours, and all that follows would wait for them.
"""

from collections.abc import Callable

from mainspring.domain.clock import Clock, awake_and_asleep

_ROUGH_MS = 250
"""An answer that took longer tells too little of the time."""


class SteadyClock:
    """A clock that tells this machine's time as it was when it was made, and goes on by what has passed since: nobody sets it."""

    def __init__(self, clock: Clock, passing: Callable[[], float] = awake_and_asleep) -> None:
        self._clock = clock
        self._passing = passing
        self._began = clock.now() / 1000 - passing()

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        return round((self._began + self._passing()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._clock.random_bits(bits)


class DatabaseClock:
    """A domain.clock.Clock that goes like this machine's, moved to where the database's stands."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._ahead_ms = 0

    def now(self) -> int:
        """Return the database's present instant in milliseconds UTC, as far as it is known."""
        return self._own.now() + self._ahead_ms

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._own.random_bits(bits)

    def own(self) -> int:
        """Return this machine's instant."""
        return self._own.now()

    def learn(self, asked_at: int, database_at: int, answered_at: int) -> None:
        """Take in what time it was at the database between two instants of this machine."""
        if 0 <= answered_at - asked_at <= _ROUGH_MS:
            self._ahead_ms = database_at - (asked_at + answered_at) // 2
