"""Whether a process may still take its session for alive, by its own clock.

The database decides by its clock: a session whose last beat is older than the lease may be buried by anybody. So its process beats four
times a lease, and stops by itself when the last beat that arrived is two thirds of a lease old: before others may take its runs. The clock
here counts the time that the machine sleeps.
"""

from collections.abc import Callable

from mainspring.domain.clock import elapsed_seconds

_BEATS = 4


class Lease:
    """The lease of one session. Thread-safe: one thread renews it, others look. `passing` returns seconds that only grow."""

    def __init__(self, ms: int, passing: Callable[[], float] = elapsed_seconds) -> None:
        self.ms = ms
        self.beat_ms = ms // _BEATS
        """From one beat to the next; nothing is waited for longer by one try, so that the next beat still comes in time."""
        self._passing = passing
        self._span = ms / 1000
        self._renewed: float | None = None
        self._asked = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to beat."""
        return self._passing() - self._asked >= self._span / _BEATS

    @property
    def is_over(self) -> bool:
        """Whether this process must take its session for lost."""
        return self._renewed is not None and self._passing() - self._renewed >= self._span * 2 / 3

    def ask(self) -> float:
        """Return the instant at which a beat is sent: from there on counts the lease that it renews."""
        self._asked = self._passing()
        return self._asked

    def renew(self, asked: float) -> None:
        """Note that a beat which was sent then has arrived."""
        self._renewed = asked

    def end(self) -> None:
        """The session ended in order: nothing is over any more."""
        self._renewed = None
