"""Runs in flight move back to the old version after an abort, if its code replays them without a difference."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.one_project import Project

CODE = """
import mainspring as ms

def first(n: int) -> int:
    return n

@ms.workflow
async def order(run: ms.Run, n: int) -> str:
    found = await run.step(first, n)
    await run.receive("go")
    return f"old {found}"

@ms.workflow(name="order", version=2, rollout=True)
async def order_v2(run: ms.Run, n: int) -> str:
    found = await run.step(first, n if n < 5 else n + 1)
    await run.receive("go")
    return f"new {found}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path, CODE)
    project.up()
    project.until(lambda: project.call("runs", "list"))
    yield project
    project.stop()


def read(project: Project, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{project.store}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def test_runs_that_the_old_code_replays_move_back_after_an_abort(project: Project) -> None:
    """The bodies in memory are of the new code, and are not used. A run that would drift stays, and ends in the new version."""
    start = ("rollout", "start", "order", "--to", "2", "--steps", "100%", "--in-flight", "move")
    project.until(lambda: read(project, "select 1 from automation_versions"))
    project.call(*start)
    runs = {number: project.start("order", f"n={number}") for number in (1, 2, 7)}
    project.until(lambda: set(project.states().values()) == {"waiting"})
    project.call("rollout", "abort", "order")

    def read_versions() -> dict[str, int]:
        return dict(read(project, "select id, version from runs"))

    project.until(lambda: read_versions() == {runs[1]: 1, runs[2]: 1, runs[7]: 2})
    for run in runs.values():
        project.call("runs", "signal", run, "go", "1")
    project.until(lambda: set(project.states().values()) == {"succeeded"})
    results = {number: project.json("runs", "show", run)["result"] for number, run in runs.items()}
    assert results == {1: "old 1", 2: "old 2", 7: "new 8"}
