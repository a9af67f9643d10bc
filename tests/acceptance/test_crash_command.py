"""`mainspring crash` on a workflow that asks a person: it ends at the question, and says how to answer it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.one_project import Project

AUTOMATIONS = """
import mainspring as ms

@ms.step
def reserve() -> str:
    return "r-1"

@ms.step
def ship() -> None:
    pass

@ms.workflow
async def asks_first(run: ms.Run) -> None:
    if await run.ask("Ship it?") == "yes":
        await run.step(reserve)
        await run.step(ship)

@ms.workflow
async def asks_later(run: ms.Run) -> None:
    await run.step(reserve)
    await run.receive("paid")
    await run.step(ship)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, AUTOMATIONS)
    yield made
    made.stop()


@pytest.mark.timeout(120)
def test_crash_ends_at_a_wait_for_a_person(project: Project) -> None:
    """Before the step nothing was killed; after it the run has resumed. It prints the command that continues the run."""
    project.up("up", "--role", "worker")
    project.until(lambda: project.json("workers", "list"))
    for name in ("asks_first", "asks_later"):
        project.start(name)

    done = project.call("crash", "-y", "asks_first", "--after", "reserve", code=6)
    newest = project.json("runs", "list", "--name", "asks_first")[0]["id"]
    sentence, *commands = done.stdout.splitlines()
    waits = f"run {newest} waits for a person before step reserve: no worker was killed. It asks: Ship it? [yes, no], "
    assert sentence.startswith(waits)
    assert commands == [
        f"mainspring runs answer {newest} yes",
        f"mainspring runs answer {newest} no",
    ]

    found = json.loads(project.call("crash", "-y", "asks_later", "--after", "reserve", "--json", code=6).stdout)
    newest = project.json("runs", "list", "--name", "asks_later")[0]["id"]
    assert (found["run"], found["state"], found["killed"]) == (newest, "waiting", True)
    assert found["next"] == [f"mainspring runs signal {newest} paid JSON"]
    outcomes = project.json("runs", "export", newest)["outcomes"]
    assert [(outcome["name"], outcome["attempt"]) for outcome in outcomes if outcome["kind"] == "step"] == [
        ("reserve", 1)
    ]
