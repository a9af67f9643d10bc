"""The clock of a process on a server: the database's, and no one's who sets the machine's."""

from mainspring.domain.clock import SystemClock
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.store import PostgresStore
from mainspring.store.store_clock import SteadyClock, StoreClock

HOUR_MS = 3_600_000


class Machine(SystemClock):
    """A machine whose wall clock is set while time passes."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.wall = at
        self.seconds = 100.0

    def now(self) -> int:
        return self.wall

    def passing(self) -> float:
        return self.seconds


def test_clock_that_is_set_moves_nothing():
    """Two hours ahead, one hour back: what has passed is what counts."""
    machine = Machine(1_000_000)
    clock = StoreClock(SteadyClock(machine, machine.passing))
    clock.learn(clock.own(), 5_000_000, clock.own())
    assert clock.now() == 5_000_000
    machine.wall += 2 * HOUR_MS
    machine.seconds += 2.5
    assert clock.now() == 5_002_500
    machine.wall -= 3 * HOUR_MS
    machine.seconds += 1
    assert clock.now() == 5_003_500


def test_store_on_a_server_goes_by_a_steady_clock(postgres, tmp_path):
    """Set while the store is open, the machine's clock says nothing."""
    machine = Machine(SystemClock().now())
    store = PostgresStore(read_address(postgres.new_store()), locks=tmp_path, clock=machine)
    store.open()
    store.open_session("cli")
    machine.wall += 2 * HOUR_MS
    assert abs(store.clock.now() - SystemClock().now()) < HOUR_MS
    store.close()
