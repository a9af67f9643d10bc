"""A primary is lost under load and its synchronous standby takes its place: clients that know both keep all that was acknowledged."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.fleet import Fleet, may_be_made
from tests.postgres_server import PostgresServer
from tests.torture import verdict
from tests.torture.load import WORK, Load
from tests.torture.shop import open_shop

CONFIG = '[project]\nautomations = ["work.py"]\n[worker]\nlease = "3s"\n'
COUNT, A_SECOND = 150, 15.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Pair:
    """A primary, the standby that has all it acknowledges, and one address for both."""

    def __init__(self) -> None:
        self.primary = PostgresServer().start()
        self.standby = self.primary.standby()
        self.primary.set("synchronous_standby_names", "*")
        ports = f":{self.primary.port}/", f":{self.primary.port},127.0.0.1:{self.standby.port}/"
        self.url = self.primary.new_store().replace(*ports)

    def follows(self) -> bool:
        """Tell whether the primary waits for this standby."""
        with psycopg.connect(self.primary.url("postgres")) as connection:
            return (
                connection.execute("select 1 from pg_stat_replication where sync_state = 'sync'").fetchone() is not None
            )

    def fail_over(self) -> None:
        """Lose the primary; promote the standby."""
        self.primary.kill()
        self.standby.promote()

    def close(self) -> None:
        """Leave nothing behind."""
        self.primary.remove()
        self.standby.remove()


@pytest.fixture
def pair() -> Iterator[Pair]:
    if not may_be_made():
        pytest.skip("no namespaces may be made here")
    made = Pair()
    yield made
    made.close()


def test_fail_over_to_a_synchronous_standby_loses_and_doubles_nothing(pair: Pair, tmp_path: Path) -> None:
    """What was acknowledged before the primary died is on its successor, once; two machines find it by themselves, and every run ends."""
    config = CONFIG + open_shop(pair.primary, pair.url)
    fleet = Fleet(tmp_path, pair.url, code=WORK.read_text(), config=config)
    load = None
    try:
        fleet.until(pair.follows)
        machines = [fleet.up(name) for name in ("a", "b")]
        load = Load(pair.url, count=COUNT, a_second=A_SECOND)
        fleet.until(lambda: len(fleet.noted()) > COUNT // 2)
        pair.fail_over()
        fleet.reconnect()
        fleet.until(lambda: load.is_over)
        fleet.call("auto", "pause", "tick")  # else its next run is open while the verdict is read
        fleet.until(lambda: not verdict.unfinished(fleet))
        assert load.errors == []
        assert verdict.list_errors(fleet, load.acknowledged) == []
        assert all(machine.processes() for machine in machines)
    finally:
        if load is not None:
            load.close()
        fleet.close()
