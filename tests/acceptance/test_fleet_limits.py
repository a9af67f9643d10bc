"""What a queue limits is limited for all machines together, also when one of them is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet, may_be_made
from tests.postgres_server import PostgresServer

MOST, RATE, SPAN_MS = 3, 4, 1_000
RUNS = 24
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
lease = "3s"
[worker.queues]
narrow = {MOST}
slow = {{ rate = "{RATE}/s" }}
"""
CODE = """
import asyncio, os
from pathlib import Path
import mainspring as ms

def note(text: str) -> None:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.environ['TEST_MACHINE']} {ms.idempotency_key()} {text}\\n")

@ms.task(queue="narrow")
async def narrow(number: int) -> None:
    note(f"begin {number}")
    while number < 3 and not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    note(f"end {number}")

@ms.task(queue="slow")
async def slow(number: int) -> None:
    note(f"slow {number}")
"""
START = """
import asyncio, sys
import mainspring as ms

async def start(name: str, count: int) -> None:
    app = ms.App.from_config()
    for number in range(count):
        await app.start(name, number)

asyncio.run(start(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    if not may_be_made():
        pytest.skip("no namespaces may be made here")
    made = Fleet(tmp_path, postgres.new_store(), code=CODE, config=CONFIG)
    yield made
    made.close()


def test_queue_runs_no_more_than_its_concurrency_on_all_machines_together(fleet: Fleet) -> None:
    """Three machines want to run what is there; a lost one gives its places to the others, and no one runs a fourth."""
    machines = {name: fleet.up(name) for name in "abc"}
    fleet.script(START, "narrow", str(RUNS))
    fleet.until(lambda: len(started_runs(fleet)) == MOST)
    holder = fleet.noted()[0][0]
    machines[holder].lose()
    fleet.blocker_file.touch()
    fleet.until(lambda: fleet.have_succeeded(RUNS))
    lost = {text.split()[1] for machine, _, text in fleet.noted() if machine == holder}
    inside: set[str] = set()
    most = 0
    for machine, _, text in fleet.noted():
        kind, number = text.split()
        if machine == holder:
            continue  # what it had in hand ended with it
        inside = inside | {number} if kind == "begin" else inside - {number}
        most = max(most, len(inside))
    assert most <= MOST
    assert lost
    assert fleet.rows("select count(*) from runs where state = 'running'") == [(0,)]


def test_rate_of_a_queue_holds_for_all_machines_together(fleet: Fleet) -> None:
    """No span of a second has more starts than the rate says, by the clock of the database."""
    for name in "abc":
        fleet.up(name)
    fleet.script(START, "slow", str(RUNS // 2))
    fleet.until(lambda: fleet.have_succeeded(RUNS // 2))
    starts = [at for (at,) in fleet.rows("select started_at from runs order by started_at")]
    most = max(sum(0 <= other - at < SPAN_MS for other in starts) for at in starts)
    assert most == RATE


def started_runs(fleet: Fleet) -> list[str]:
    """Return what has begun."""
    return [text for _, _, text in fleet.noted() if text.startswith("begin")]
