"""The server's clock for commands: instants to compare with those of the store must come from the clock that wrote them."""

from collections.abc import Callable

from mainspring.domain.clock import Clock, elapsed_seconds


class ServerClock:
    """A domain.clock.Clock that reads the time of the store's server once, when it is first needed.

    From then on it adds the time that passes on this machine. `read_instant` returns the server's instant, None if it does not answer:
    then this machine's clock counts.
    """

    def __init__(
        self, machine: Clock, read_instant: Callable[[], int | None], elapsed: Callable[[], float] = elapsed_seconds
    ) -> None:
        self._machine = machine
        self._read_instant = read_instant
        self._elapsed = elapsed
        self._started: float | None = None

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        if self._started is None:
            instant = self._read_instant()
            self._started = (self._machine.now() if instant is None else instant) / 1000 - self._elapsed()
        return round((self._started + self._elapsed()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return random bits from the machine's clock."""
        return self._machine.random_bits(bits)
