"""Machines that work on one store on a server, each with its own process numbers and its own folders: one is lost, or sleeps too long.

A machine here is a namespace of processes and mounts: no other one sees its lock files or can kill what runs there, so that only the lease
tells of its end. Killing its first process ends all of it at once, as a power cut does.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
LEASE_S, POLL_S = 3.0, 1.0
LOADED_S = 2.0
"""What two loaded cores may add to any bound."""
PATIENCE = 60.0
MARK = "TEST_MACHINE"
ALL = os.environ.get("MAINSPRING_CRASH_ALL") == "1"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
lease = "{LEASE_S:.0f}s"
"""
AUTOMATIONS = """
import asyncio, os
from pathlib import Path
import mainspring as ms

@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    await run.step(note, f"charge {number}")
    await run.step(gate)
    return await run.step(note, f"send {number}")

async def note(text: str) -> int:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.environ['TEST_MACHINE']} {ms.idempotency_key()} {text}\\n")
    return len(text)

async def gate() -> None:
    while not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.02)
"""
_APART = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
_OWN_FOLDERS = 'mount -t tmpfs none /var/lib && exec "$@"'


class Machine:
    """One `mainspring up` in namespaces of its own."""

    def __init__(self, fleet: "Fleet", name: str, failpoint: str) -> None:
        self.name = f"{name}-{fleet.schema}"
        self.log = fleet.folder / f"log-{name}"
        env = {**fleet.env, MARK: self.name, **({"MAINSPRING_FAILPOINT": failpoint} if failpoint else {})}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_APART, "sh", "-c", _OWN_FOLDERS, "sh", sys.executable, "-m", "mainspring", "up"],
                cwd=fleet.folder, env=env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def processes(self, word: str = "") -> list[int]:
        """Return its processes that have not ended and whose command line has this word."""
        found, mark = [], f"{MARK}={self.name}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_ours = mark in (folder / "environ").read_bytes().split(b"\0")
                if is_ours and word.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def worker(self) -> int:
        """Return the process of its worker."""
        (found,) = self.processes("worker_process")
        return found

    def lose(self) -> None:
        """Take the power away."""
        self._process.kill()
        self._process.wait()

    def send(self, number: int) -> None:
        """Send a signal to each of its processes."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Fleet:
    """A project, its store on a server, and the machines that work on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.effects, self.gate = folder / "effects", folder / "gate"
        self.effects.touch()
        (folder / "work.py").write_text(AUTOMATIONS)
        (folder / "mainspring.toml").write_text(CONFIG)
        address, _, self.schema = url.partition("?schema=")
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_STORE_URL": url,
            "EFFECTS": str(self.effects),
            "GATE": str(self.gate),
        }
        self.database = psycopg.connect(address, autocommit=True, options=f"-c search_path={self.schema}")
        self.machines: list[Machine] = []

    def up(self, name: str, failpoint: str = "") -> Machine:
        """Switch a machine on, and wait until its worker is at work, or stopped on the way."""
        machine = Machine(self, name, failpoint)
        self.machines.append(machine)
        self.until(lambda: machine.processes("worker_process"))
        return machine

    def rows(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the store, as nobody of the fleet."""
        return self.database.execute(text, values).fetchall()

    def start(self, count: int) -> None:
        """Start so many runs from a machine that does not work."""
        for number in range(count):
            subprocess.run(
                [sys.executable, "-m", "mainspring", "run", "order", f"number={number}", "--detach"],
                cwd=self.folder, env=self.env, capture_output=True, check=True, timeout=PATIENCE,
            )  # fmt: skip

    def until(self, holds: Callable[[], Any], within: float = PATIENCE) -> Any:
        """Look until it holds."""
        until = time.monotonic() + within
        while not (found := holds()):
            if time.monotonic() > until:
                logs = "\n".join(f"{one.name}\n{one.log.read_text()}" for one in self.machines)
                sessions = self.rows("select id, role, state, pid, beat_at, ended_at from sessions order by id")
                raise AssertionError(f"it does not come to that\n{sessions}\n{self.noted()}\n{logs}")
            time.sleep(0.01)
        return found

    def noted(self) -> list[tuple[str, str, str]]:
        """Return machine, key and text of each effect."""
        lines = (line.split(" ", 2) for line in self.effects.read_text().splitlines())
        return [(machine.partition("-")[0], key, text) for machine, key, text in lines]

    def doubled(self) -> list[str]:
        """Return the effects that happened under more than one key."""
        keys = Counter(text for text, _ in {(text, key) for _, key, text in self.noted()})
        return [text for text, count in keys.items() if count > 1]

    def have_succeeded(self, count: int) -> bool:
        """Tell whether so many runs have succeeded."""
        return self.rows("select count(*) from runs where state = 'succeeded'") == [(count,)]

    def close(self) -> None:
        """Leave nothing behind."""
        for machine in self.machines:
            machine.send(signal.SIGCONT)
            machine.lose()
        self.database.close()


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    if (
        shutil.which("unshare") is None
        or subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no namespaces may be made here")
    made = Fleet(tmp_path, postgres.new_store())
    yield made
    made.close()


def test_runs_of_a_lost_machine_go_on_elsewhere_within_lease_and_two_polls(fleet: Fleet) -> None:
    """The whole process tree of a machine is killed: another machine holds all of its runs soon, and nothing happens under two keys."""
    fleet.start(6)
    lost = fleet.up("a")
    fleet.until(lambda: len(fleet.noted()) == 6)
    fleet.until(lambda: fleet.rows("select count(*) from journal") == [(6,)])
    ((session,),) = fleet.rows("select distinct session from runs")
    other = fleet.up("b")
    fleet.until(lambda: fleet.rows("select count(*) from sessions where role = 'worker' and state = 'alive'") == [(2,)])
    assert fleet.rows("select distinct session from runs") == [(session,)]
    lost.lose()
    lost_at = time.monotonic()
    fleet.until(lambda: not lost.processes(), within=1)
    elsewhere = "select count(*) from runs where session is not null and session <> %s"
    fleet.until(lambda: fleet.rows(elsewhere, session) == [(6,)])
    took = time.monotonic() - lost_at
    assert took <= LEASE_S + 2 * POLL_S + LOADED_S, f"the runs of the lost machine waited for {took:.1f} s"
    assert took >= LEASE_S / 2, "nothing but the lease may tell of another machine's end"
    fleet.gate.touch()
    fleet.until(lambda: fleet.have_succeeded(6))
    assert fleet.rows("select distinct claim from runs") == [(2,)]
    assert fleet.doubled() == []
    assert {machine for machine, _, text in fleet.noted() if text.startswith("send")} == {"b"}
    assert Counter(text for _, _, text in fleet.noted()).most_common(1)[0][1] == 1, "a committed step ran again"
    assert fleet.rows("select id from runs where crashes > 0 or suspect > 0") == []
    assert other.processes()


STOPS = ("step", "commit.before:stop@6", "commit.after:stop@6")
MORE = tuple(f"commit.{place}:stop@{n}" for place in ("before", "after") for n in (4, 5, 7, 8, 9, 10))


@pytest.mark.parametrize("stop", [*STOPS, *(MORE if ALL else ())])
def test_machine_that_sleeps_beyond_its_lease_writes_nothing_when_it_wakes(fleet: Fleet, stop: str) -> None:
    """A worker is stopped in a step, before a COMMIT or after it, and wakes after others ended its runs: it ends, and changes nothing."""
    fleet.start(4)
    sleeper = fleet.up("a", "" if stop == "step" else stop)
    if stop == "step":
        fleet.until(lambda: fleet.rows("select count(*) from journal") == [(4,)])
        sleeper.send(signal.SIGSTOP)
    worker = sleeper.worker()
    fleet.until(lambda: state_of(worker) == "T")
    fleet.gate.touch()
    ((session,),) = fleet.rows("select id from sessions where role = 'worker'")
    fleet.up("b")
    fleet.until(lambda: fleet.have_succeeded(4))
    fleet.until(lambda: fleet.rows("select state from sessions where id = %s", session) == [("dead",)])
    before, noted = written(fleet), fleet.noted()
    sleeper.send(signal.SIGCONT)
    fleet.until(lambda: state_of(worker) in "ZX", within=10)
    assert written(fleet) == before
    assert fleet.doubled() == []
    assert [text for _, _, text in fleet.noted()[len(noted) :] if text.startswith("send")] == [], (
        "it went on as if the run were its own"
    )
    assert re.search(r"session \d+ .*(is dead|is over)|is over", sleeper.log.read_text()), sleeper.log.read_text()


def state_of(pid: int) -> str:
    """Return the state of a process as the kernel names it; X if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X"
    return text.rpartition(")")[2].split()[0]


def written(fleet: Fleet) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a worker writes for runs."""
    tables = ("runs", "journal", "attempts", "checkpoints", "inbox", "waits", "run_keys")
    return {name: sorted(fleet.rows(f"select * from {name}"), key=repr) for name in tables}
