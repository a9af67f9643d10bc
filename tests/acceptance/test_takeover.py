"""Of several machines that work on one store on a server one is lost, or sleeps too long."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.fleet import Fleet, may_be_made
from tests.postgres_server import PostgresServer

LEASE_S, POLL_S = 3.0, 1.0
LOADED_S = 10.0
"""What two loaded cores may add to any bound."""
ALL = os.environ.get("TESTS_LONG") == "1"
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


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    if not may_be_made():
        pytest.skip("no namespaces may be made here")
    made = Fleet(tmp_path, postgres.new_store(), code=AUTOMATIONS, config=CONFIG)
    yield made
    made.close()


def test_runs_of_a_lost_machine_continue_elsewhere_within_lease_and_two_polls(fleet: Fleet) -> None:
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
    fleet.until(lambda: not lost.processes())
    elsewhere = "select count(*) from runs where session is not null and session <> %s"
    fleet.until(lambda: fleet.rows(elsewhere, session) == [(6,)])
    duration_s = time.monotonic() - lost_at
    assert duration_s <= LEASE_S + 2 * POLL_S + LOADED_S, f"the runs of the lost machine waited for {duration_s:.1f} s"
    assert duration_s >= LEASE_S / 2, "nothing but the lease may tell of another machine's end"
    fleet.blocker_file.touch()
    fleet.until(lambda: fleet.have_succeeded(6))
    assert fleet.rows("select distinct claim from runs") == [(2,)]
    assert fleet.doubled() == []
    assert {machine for machine, _, text in fleet.noted() if text.startswith("send")} == {"b"}
    assert Counter(text for _, _, text in fleet.noted()).most_common(1)[0][1] == 1, "a committed step ran again"
    assert fleet.rows("select id from runs where crashes > 0 or probation > 0") == []
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
    fleet.blocker_file.touch()
    ((session,),) = fleet.rows("select id from sessions where role = 'worker'")
    fleet.up("b")
    fleet.until(lambda: fleet.have_succeeded(4))
    fleet.until(lambda: fleet.rows("select state from sessions where id = %s", session) == [("dead",)])
    before, noted = written(fleet), fleet.noted()
    sleeper.send(signal.SIGCONT)
    fleet.until(lambda: state_of(worker) in "ZX")
    assert written(fleet) == before
    assert fleet.doubled() == []
    assert [text for _, _, text in fleet.noted()[len(noted) :] if text.startswith("send")] == [], (
        "it went on as if the run were its own"
    )
    assert re.search(r"session \d+ .*(is dead|is over|has expired)|is over", sleeper.log.read_text()), (
        sleeper.log.read_text()
    )


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
