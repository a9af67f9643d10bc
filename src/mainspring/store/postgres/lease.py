"""The lease of a process: whether it may still treat its session as alive, by its own clock.

The database decides by its clock: any process may declare a session dead whose last heartbeat is older than the lease.
So a process sends four heartbeats per lease, and stops when its last successful one is two thirds of a lease old:
before others may claim its runs. The clock here includes the time that the machine sleeps.
"""

from collections.abc import Callable

from mainspring.domain.clock import elapsed_seconds

_BEATS = 4


class Lease:
    """The lease of one session. Thread-safe: one thread renews it, others read. `passing` returns growing seconds."""

    def __init__(self, ms: int, passing: Callable[[], float] = elapsed_seconds) -> None:
        self.ms = ms
        self.beat_ms = ms // _BEATS
        """Interval of heartbeats; no single wait is longer, so that the next heartbeat is in time."""
        self._passing = passing
        self._span = ms / 1000
        self._renewed: float | None = None
        self._requested_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether a heartbeat is due."""
        return self._passing() - self._requested_s >= self._span / _BEATS

    @property
    def is_over(self) -> bool:
        """Whether this process must treat its session as lost."""
        return self._renewed is not None and self._passing() - self._renewed >= self._span * 2 / 3

    def ask(self) -> float:
        """Return the instant at which a heartbeat is sent: the renewed lease starts there."""
        self._requested_s = self._passing()
        return self._requested_s

    def renew(self, requested: float) -> None:
        """Renew the lease from the instant at which a successful heartbeat was sent."""
        self._renewed = requested

    def end(self) -> None:
        """End the lease of a session that ended in order."""
        self._renewed = None
