"""The store's clock for its processes: the clock of the server, or of the machine for a store in a file.

The machine's wall clock is read once at the start, and with each commit to a file. Between two commits elapsed time is
added to it: otherwise, a clock that is set forward by two hours would make slots and timers due two hours early.
"""

from collections.abc import Callable
from threading import Lock

from mainspring.domain.clock import Clock, SystemClock, elapsed_seconds
from mainspring.domain.time.clock_step import ClockStep, merge_steps

_ROUGH_MS = 250
"""A longer round trip measures the time too roughly."""


class SteadyClock:
    """This machine's clock as of its creation plus the elapsed time: no one can set it."""

    def __init__(self, clock: Clock, passing: Callable[[], float] = elapsed_seconds) -> None:
        self._clock = clock
        self._passing = passing
        self._started_s = clock.now() / 1000 - passing()

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        return round((self._started_s + self._passing()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return random bits of the machine's clock."""
        return self._clock.random_bits(bits)


class StoreClock:
    """A domain.clock.Clock that runs like this machine's, shifted to the store's.

    If `holds_steps`, a step of the store's clock counts from `take_step` on: at that moment a worker moves the instants
    in its memory. `met_ms` = the sum of the steps that were accepted, `noticed_ms` = of all noticed steps. The
    committing thread calls `learn`, another one may call `take_step`.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._ahead_ms = 0
        self._after_step_ms = 0
        self._step: ClockStep | None = None
        self._lock = Lock()
        self.holds_steps = False
        self.noticed_ms = self.met_ms = 0

    def now(self) -> int:
        """Return the store's current instant in milliseconds UTC, as far as it is known."""
        return self._own.now() + self._ahead_ms

    def random_bits(self, bits: int) -> int:
        """Return random bits of the machine's clock."""
        return self._own.random_bits(bits)

    def own(self) -> int:
        """Return this machine's instant."""
        return self._own.now()

    def learn(self, requested_at: int, store_at: int, answered_at: int, step: ClockStep | None = None) -> None:
        """Set the offset by the store's instant between two of this machine; `step` = a commit recorded that the clock
        was set.
        """
        if step is None and not 0 <= answered_at - requested_at <= _ROUGH_MS:
            return
        ahead_ms = store_at - (requested_at + answered_at) // 2
        with self._lock:
            if self.holds_steps and step is not None:
                self._step = merge_steps(self._step, step)
                self.noticed_ms += step.by_ms
            if self._step is None:
                self._ahead_ms = ahead_ms
            else:
                self._after_step_ms = ahead_ms

    def take_step(self) -> ClockStep | None:
        """Apply the noticed step; return it, or None if there is none."""
        if self._step is None:
            return None
        with self._lock:
            step, self._step = self._step, None
            self._ahead_ms = self._after_step_ms
            self.met_ms = self.noticed_ms
        return step


def steady(clock: Clock) -> Clock:
    """Return the machine's clock as one that no one can set; a test's clock is returned unchanged."""
    return SteadyClock(clock) if isinstance(clock, SystemClock) else clock
