"""The server's clock as a command sees it: what it compares with instants of the store must come from the clock that wrote them."""

from collections.abc import Callable

from mainspring.domain.clock import Clock, awake_and_asleep


class ServerClock:
    """A domain.clock.Clock that asks the store's server for the time once, when it is first needed.

    From then on it goes by what passes on this machine. `ask` returns the server's instant, None if it does not answer: then this
    machine's clock counts.
    """

    def __init__(
        self, machine: Clock, ask: Callable[[], int | None], passing: Callable[[], float] = awake_and_asleep
    ) -> None:
        self._machine = machine
        self._ask = ask
        self._passing = passing
        self._began: float | None = None

    def now(self) -> int:
        """Return the instant in milliseconds UTC."""
        if self._began is None:
            instant = self._ask()
            self._began = (self._machine.now() if instant is None else instant) / 1000 - self._passing()
        return round((self._began + self._passing()) * 1000)

    def random_bits(self, bits: int) -> int:
        """Return chance from the machine's clock."""
        return self._machine.random_bits(bits)
