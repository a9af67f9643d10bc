"""The database's time for the process that uses it: machines need not agree on the time, and all count by one clock."""

from mainspring.domain.clock import Clock

_ROUGH_MS = 250
"""An answer that took longer tells too little of the time."""


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
