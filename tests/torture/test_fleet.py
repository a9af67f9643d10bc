"""A fleet of real processes under load while server, lines, machines and clocks fail, as a seed has it."""

import contextlib
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet, Machine, may_be_made
from tests.postgres_server import PostgresServer
from tests.torture import network, verdict
from tests.torture.load import WORK, Load
from tests.torture.shop import open_shop

ALL = os.environ.get("TESTS_LONG") == "1"
SEED = int(os.environ.get("SEED", "1"))
LEASE_S = 3.0
ROUNDS = 16 if ALL else 1
MACHINES = 4 if ALL else 2
MINUTES = float(os.environ.get("TESTS_TORTURE_MINUTES", "0"))
"""So long instead of so many rounds, if it is set, with the load that belongs to it."""
FEWEST_A_MINUTE = 3
"""Fewer faults than this in a minute prove little."""
A_SECOND = float(os.environ.get("A_SECOND", "60" if ALL else "25"))
COUNT = int(os.environ.get("COUNT", MINUTES * 60 * A_SECOND or (25000 if ALL else 250)))
WITHIN_S = 240.0
FAKE_TIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
lease = "{LEASE_S:.0f}s"
drain = "5s"
"""
DEFAULTS = {
    "tcp_keepalives_idle": "0",
    "tcp_keepalives_interval": "0",
    "tcp_keepalives_count": "0",
    "tcp_user_timeout": "0",
}
"""The server as it comes: it notices no lost client by itself."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if ALL else 240)]


class Torture:
    """The fleet, its network and its load; each fault is a method that leaves things as they should be, sooner or later."""

    def __init__(self, folder: Path) -> None:
        self.dice = random.Random(SEED)
        self.net = network.Network()
        self.server = PostgresServer(settings={**DEFAULTS, "listen_addresses": "*"})
        with (self.server.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        self.server.start()
        self.url = self.server.new_store()
        seen_by_machines = self.url.replace("127.0.0.1", self.net.address)
        config = CONFIG + open_shop(self.server, seen_by_machines)
        self.fleet = Fleet(folder, self.url, code=WORK.read_text(), config=config)
        self.fleet.env["MAINSPRING_STORE_URL"] = seen_by_machines
        self.clock = folder / "clock"
        self.clock.write_text("+0")
        self.lines = [self.net.line() for _ in range(MACHINES)]
        self.machines = [self.switch_on(n) for n in range(MACHINES)]
        self.reached: Counter[str] = Counter()
        self._open: list[tuple[str, int, list[str]]] = []
        """Of each fault: its name, its end by the server's clock, and the runs that were open then."""
        self.load: Load | None = None

    def switch_on(self, number: int) -> Machine:
        """Start a machine; the clock of the last one can be set."""
        more = {}
        if number == MACHINES - 1 and FAKE_TIME.exists():
            more = {
                "LD_PRELOAD": str(FAKE_TIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return self.fleet.up(f"m{number}", inside=self.net.inside(self.lines[number]), **more)

    def session_of(self, machine: Machine) -> int | None:
        """Return the live session of a machine's worker, known by its namespace of processes."""
        for pid in machine.processes("worker_process"):
            with contextlib.suppress(OSError):
                space = str(Path(f"/proc/{pid}/ns/pid").readlink())
                text = "select id from sessions where role = 'worker' and state = 'alive' and position(%s in host) > 0"
                if found := self.fleet.rows(text, space):
                    return int(found[0][0])
        return None

    def all_work(self) -> bool:
        """Tell whether each machine has a worker with a session. What ended because the server was away at its start is started again."""
        for number, machine in enumerate(self.machines):
            if not machine.processes():
                self.machines[number] = self.switch_on(number)
        return all(self.session_of(machine) is not None for machine in self.machines)

    def _reconnect(self) -> None:
        """Look at the store over a new connection."""
        self.fleet.reconnect()

    # -- faults ------------------------------------------------------------------------------------------------------------

    def server_killed(self) -> None:
        """The server and all its processes are killed, and it starts again."""
        self.server.kill()
        self.server.start()
        self._reconnect()

    def server_stopped_at_once(self) -> None:
        """pg_ctl stop -m immediate."""
        self.server.stop(signal.SIGQUIT)
        self.server.start()
        self._reconnect()

    def _partition(self, way: network.Way) -> None:
        number = self.dice.randrange(MACHINES)
        machine, line = self.machines[number], self.lines[number]
        session, workers = self.session_of(machine), set(machine.processes("worker_process"))
        state = "select state from sessions where id = %s"
        self.net.cut(line, way)
        self.fleet.until(lambda: not workers <= set(machine.processes("worker_process")), LEASE_S * 4)
        assert self.fleet.rows(state, session) != [("dead",)], (
            "its runs were given to others before it had stopped itself"
        )
        self.fleet.until(lambda: self.fleet.rows(state, session) == [("dead",)], LEASE_S * 4)
        self.net.repair(line)

    def partition_in(self) -> None:
        """A machine is sent nothing any more."""
        self._partition("in")

    def partition_out(self) -> None:
        """What a machine sends arrives nowhere."""
        self._partition("out")

    def partition_both(self) -> None:
        """Neither."""
        self._partition("both")

    def machine_sleeps(self) -> None:
        """All processes of a machine are stopped beyond their lease, and wake."""
        machine = self.dice.choice(self.machines)
        machine.send(signal.SIGSTOP)
        asleep = time.monotonic()
        self.fleet.until(lambda: time.monotonic() > asleep + LEASE_S * 2)
        machine.send(signal.SIGCONT)

    def machine_lost(self) -> None:
        """A machine loses its power; another one comes in its place."""
        number = self.dice.randrange(MACHINES)
        self.machines[number].lose()
        self.machines[number] = self.switch_on(number)

    def rolling_restart(self) -> None:
        """One machine after the other is drained and started again."""
        for number, machine in enumerate(self.machines):
            self.fleet.stop(machine)
            self.machines[number] = self.switch_on(number)

    def clock_jumps(self) -> None:
        """The clock of a machine is two hours ahead, then one hour behind."""
        for offset in ("+2h", "-1h", "+0"):
            self.clock.write_text(offset)
            self.fleet.until(self._more_is_done())

    def _more_is_done(self) -> Callable[[], bool]:
        """Return whether five more effects have happened by then, or all have."""
        seen = len(self.fleet.noted())
        return lambda: len(self.fleet.noted()) > seen + 5 or not verdict.unfinished(self.fleet)

    def faults(self) -> list[Callable[[], None]]:
        """Return each fault once, in the order of the dice."""
        found = [
            self.server_killed, self.server_stopped_at_once, self.partition_in, self.partition_out, self.partition_both,
            self.machine_sleeps, self.machine_lost, self.rolling_restart, *([self.clock_jumps] if FAKE_TIME.exists() else []),
        ]  # fmt: skip
        self.dice.shuffle(found)
        return found

    def rage(self) -> None:
        """Let all of them happen, as often as there are rounds; the server is killed more often than the rest."""
        until = time.monotonic() + MINUTES * 60
        rounds = itertools.count() if MINUTES else range(ROUNDS)
        for _ in rounds:
            for fault in self.faults():
                if MINUTES and time.monotonic() > until:
                    return
                self.fleet.until(self.all_work)
                self._suffer(fault)
                for _ in range(6 if ALL else 0):
                    self._suffer(self.server_killed)

    def _suffer(self, fault: Callable[[], None]) -> None:
        fault()
        self.reached[fault.__name__] += 1
        ((now,),) = self.fleet.rows("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
        open_then = [str(run) for (run,) in self.fleet.rows("select id from runs where finished_at is null")]
        self._open.append((fault.__name__, now, open_then))

    def longest(self) -> dict[str, float]:
        """Return by fault in how many seconds at most all that was open at its end had ended, whatever came in between."""
        found: dict[str, float] = {}
        for name, since, runs in self._open:
            ((last,),) = self.fleet.rows("select max(finished_at) from runs where id = any(%s)", runs)
            found[name] = max(found.get(name, 0.0), ((last or since) - since) / 1000)
        return found

    def close(self) -> None:
        """Leave nothing behind."""
        if self.load is not None:
            self.load.close()
        self.fleet.close()
        self.server.remove()
        self.net.close()


@pytest.fixture
def torture(tmp_path: Path) -> Iterator[Torture]:
    reason = network.missing() or (None if may_be_made() else "no namespaces may be made here")
    if reason is not None:
        assert not os.environ.get("CI") or os.geteuid() != 0, reason
        pytest.skip(reason)
    made = Torture(tmp_path)
    yield made
    made.close()


def test_fleet_under_faults_loses_doubles_and_strands_nothing(torture: Torture) -> None:
    """Each fault strikes a fleet under load: what was acknowledged is there, nothing happened under two keys, and every run ends."""
    torture.load = load = Load(torture.url, count=COUNT, a_second=A_SECOND)
    torture.fleet.until(lambda: torture.fleet.noted())
    started = time.monotonic()
    torture.rage()
    raged = time.monotonic() - started
    torture.fleet.until(lambda: load.is_over, within=WITHIN_S + COUNT / A_SECOND)
    torture.fleet.call("auto", "pause", "tick")  # else its next run is open while the verdict is read
    within_s = WITHIN_S if ALL else WITHIN_S / 2  # so that its error comes before the time-out of the test
    torture.fleet.until(lambda: not verdict.unfinished(torture.fleet), within=within_s)
    duration_s = time.monotonic() - started
    errors = verdict.list_errors(torture.fleet, load.acknowledged)
    print(verdict.report(torture.fleet, errors, torture.reached, torture.longest(), raged=raged, duration_s=duration_s))
    assert load.errors == []
    assert errors == []
    assert torture.reached.total() >= FEWEST_A_MINUTE * MINUTES, "too few faults in this time"
    assert set(torture.reached) == {fault.__name__ for fault in torture.faults()}, "a fault was not reached"
