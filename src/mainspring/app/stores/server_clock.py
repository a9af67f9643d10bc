"""The server's clock as a command sees it: what it compares with instants of the store must come from the clock that wrote them."""

from collections.abc import Callable

from mainspring.domain.clock import Clock, elapsed_seconds


class ServerClock:
    """A domain.clock.Clock that reads the time of the store's server once, when it is first needed.

    From then on it adds what passes on this machine. `read_instant` returns the server's instant, None if it does not answer: then this
    machine's clock counts.
    """

    def __init__(
        self, machine: Clock, read_instant: Callable[[], int | None], passing: Callable[[], float] = elapsed_seconds
    ) -> None:
        self._machine = machine
        self._read_instant = read_instant
        self._passing = passing
        self._began: float | None = None

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        if self._began is None:
            instant = self._read_instant()
            self._began = (self._machine.now() if instant is None else instant) / 1000 - self._passing()
        return round((self._began + self._passing()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._machine.random_bits(bits)
