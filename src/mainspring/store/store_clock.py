"""The store's clock for the process that uses it: the database's on a server, the machine's beside a file.

The wall clock of a machine is read once, at the start, and with each commit beside a file. Between two commits time goes on by what has
passed: a clock that is set by two hours in between would make slots and timers due that are not due for two hours.
"""

from collections.abc import Callable
from threading import Lock

from mainspring.domain.clock import Clock, SystemClock, elapsed_seconds
from mainspring.domain.time.clock_step import ClockStep, merge_steps

_ROUGH_MS = 250
"""An answer that took longer tells too little of the time."""


class SteadyClock:
    """A clock that tells this machine's time as it was when it was made, and adds what has passed since: no one can set it."""

    def __init__(self, clock: Clock, passing: Callable[[], float] = elapsed_seconds) -> None:
        self._clock = clock
        self._passing = passing
        self._began = clock.now() / 1000 - passing()

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        return round((self._began + self._passing()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._clock.random_bits(bits)


class StoreClock:
    """A domain.clock.Clock that goes like this machine's, moved to where the store's stands.

    A step of the store's clock counts from `take_step` on where `holds_steps`: a worker moves at that moment what waits in its memory.
    `met_ms` = the sum of the steps that were taken, `noticed_ms` = of all that were noticed since. The committing thread learns, another
    one may take.
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
        """Return the store's present instant in milliseconds UTC, as far as it is known."""
        return self._own.now() + self._ahead_ms

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._own.random_bits(bits)

    def own(self) -> int:
        """Return this machine's instant."""
        return self._own.now()

    def learn(self, asked_at: int, store_at: int, answered_at: int, step: ClockStep | None = None) -> None:
        """Take in what time it was at the store between two instants of this machine; `step` = a commit recorded that it was set."""
        if step is None and not 0 <= answered_at - asked_at <= _ROUGH_MS:
            return
        ahead_ms = store_at - (asked_at + answered_at) // 2
        with self._lock:
            if self.holds_steps and step is not None:
                self._step = merge_steps(self._step, step)
                self.noticed_ms += step.by_ms
            if self._step is None:
                self._ahead_ms = ahead_ms
            else:
                self._after_step_ms = ahead_ms

    def take_step(self) -> ClockStep | None:
        """Go by the clock as it was set; return by how much, None where it was not."""
        if self._step is None:
            return None
        with self._lock:
            step, self._step = self._step, None
            self._ahead_ms = self._after_step_ms
            self.met_ms = self.noticed_ms
        return step


def steady(clock: Clock) -> Clock:
    """Return the machine's clock as one that no one can set; one of a test goes as the test says."""
    return SteadyClock(clock) if isinstance(clock, SystemClock) else clock
