"""New code comes to a fleet that is at work: machines are replaced one after the other, and runs continue under whatever text is there."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet, Machine, may_be_made
from tests.postgres_server import PostgresServer

RUNS = 1_000 if os.environ.get("TESTS_LONG") else 120
TIMEOUT_S = 120.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CONFIG = """
[project]
automations = ["work.py"]
[worker]
lease = "5s"
"""
STEPS = """
import os
import mainspring as ms

async def note(text: str) -> int:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.environ['TEST_MACHINE']} {ms.idempotency_key()} {text}\\n")
    return len(text)

def word(what: str, number: int) -> str:
    return f"{what}-{number}"
"""
# A text without a step that runs have saved says so by `gone=`; else they stop before its first new step.
BODIES = (
    """
@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(note, word("charge", number))
    await run.event("go-1")
    await run.options(name="send").step(note, word("send", number))
    await run.event("go-2")
    await run.options(name="book").step(note, word("book", number))
    await run.event("go-3")
    return "first text"
""",
    """
@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.options(name="check").step(note, word("check", number))  # new, and before all that is saved
    await run.step(note, word("charge", number))
    await run.event("go-1")
    await run.options(name="send").step(note, word("send", number))
    await run.event("go-2")
    await run.options(name="book").step(note, word("book", number))
    await run.event("go-3")
    return "second text"
""",
    """
@ms.workflow(gone=["check"])
async def order(run: ms.Run, number: int, note_to: str = "nobody") -> str:
    await run.options(name="send").step(note, word("send", number))  # moved to the front
    for name in ("go-1", "go-2"):
        await run.event(name)
    await run.step(note, word("charge", number))
    await run.options(name="book").step(note, word("book", number))
    await run.event("go-3")
    return "third text"
""",
    """
@ms.workflow(gone=["check", "send"])
async def order(run: ms.Run, number: int) -> str:
    await run.step(note, word("charge", number))  # check and send are gone
    await run.event("go-2")
    await run.options(name="book").step(note, word("book", number))
    await run.event("go-3")
    await run.options(name="thank").step(note, word("thank", number))
    return "fourth text"
""",
)
START = """
import asyncio, sys
import mainspring as ms

async def start(count: int) -> None:
    app = ms.App.from_config()
    await asyncio.gather(*(app.start("order", number) for number in range(count)))

asyncio.run(start(int(sys.argv[1])))
"""
PUBLISH = """
import asyncio, sys
import mainspring as ms

asyncio.run(ms.App.from_config().publish(sys.argv[1], {}))
"""


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    if not may_be_made():
        pytest.skip("no namespaces may be made here")
    made = Fleet(tmp_path, postgres.new_store(), code=STEPS + BODIES[0], config=CONFIG)
    yield made
    made.close()


def replace(fleet: Fleet, old: Machine, name: str) -> Machine:
    """Let a machine with the code of now begin, and the other one end as an orchestrator ends it."""
    new = fleet.up(name)
    fleet.until(lambda: fleet.rows("select count(*) from sessions where role = 'worker' and state = 'alive'") == [(3,)])
    fleet.stop(old)
    return new


def all_wait(fleet: Fleet, event: str) -> None:
    """Wait until each run waits for this event."""
    waits = "select count(*) from waits w join runs r on r.id = w.run where w.kind = 'event' and r.state = 'waiting' and w.name = %s"
    fleet.until(lambda: fleet.rows(waits, event) == [(RUNS,)], within=TIMEOUT_S)


def test_three_deploys_with_edited_bodies_under_many_runs(fleet: Fleet) -> None:
    """All of them finish, none waits for a worker, and no step is lost, repeated or done under two keys while machines come and go."""
    machines = [fleet.up("a0"), fleet.up("b0")]
    fleet.script(START, str(RUNS))
    for deploy, body in enumerate(BODIES[1:], 1):
        event = f"go-{deploy}"
        all_wait(fleet, event)
        (fleet.folder / "work.py").write_text(STEPS + body)
        first = replace(fleet, machines[0], f"a{deploy}")
        fleet.script(PUBLISH, event)  # while both texts are there
        machines = [first, replace(fleet, machines[1], f"b{deploy}")]
    fleet.until(lambda: fleet.have_succeeded(RUNS), within=TIMEOUT_S)
    assert fleet.rows("select distinct state, reason from runs") == [("succeeded", None)]
    times = Counter(text for _, _, text in fleet.noted())
    assert {times[f"{effect}-{number}"] for effect in ("charge", "send", "book") for number in range(RUNS)} == {1}
    assert set(times.values()) == {1}, "a step was done twice"
    assert fleet.doubled() == []
    assert fleet.rows("select count(*) from sessions where state = 'dead'") == [(0,)], (
        "a machine that ended in order is no loss"
    )
    assert len(machines) == 2
