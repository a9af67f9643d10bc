"""Rollouts with real processes: a bad version goes back by itself, a good one comes into force, and workers of both deployments work."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.acceptance.one_project import NoStoreError, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
OLD = """
import mainspring as ms

@ms.workflow(name="order", version=1, rollout_by="{number}", cron="0 3 * * *")
async def order(run: ms.Run, number: int = 0) -> int:
    return 1
"""
BAD = """
import mainspring as ms

@ms.workflow(name="order", version=2, rollout=True, rollout_by="{number}", cron="0 4 * * *")
async def bad_order(run: ms.Run, number: int = 0) -> int:
    raise ValueError("no")
"""
GOOD = """
import mainspring as ms

@ms.workflow(name="order", version=3, rollout=True, rollout_by="{number}", cron="0 5 * * *")
async def good_order(run: ms.Run, number: int = 0) -> int:
    return 3
"""
START = """
import asyncio, sys
import mainspring as ms
import work

async def main() -> None:
    app = ms.App(sys.argv[1])
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        await app.start("order", number=number)

asyncio.run(main())
"""
WORKER = """
import asyncio, sys
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.engine.definitions.registry import Registry

async def main() -> None:
    worker = WorkerRuntime(sys.argv[1], Registry.load(["work.py"]))
    await worker.open()
    await asyncio.Event().wait()

asyncio.run(main())
"""
PLAN = ("--steps", "50%,100%", "--hold", "1s", "--age", "1s", "--margin", "40%")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with three versions."""
    made = Project(tmp_path, OLD + BAD + GOOD)
    yield made
    made.stop()


def start_orders(project: Project, first: int, end: int) -> None:
    words = [sys.executable, "-c", START, project.store, str(first), str(end)]
    subprocess.run(words, cwd=project.folder, env=project.env(), check=True, timeout=60)


def read_rows(project: Project, text: str, *values: int) -> list[tuple[Any, ...]]:
    with contextlib.closing(apsw.Connection(project.store, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(10_000)
        return list(connection.execute(text, values))


def read_orders(project: Project, first: int) -> list[tuple[Any, ...]]:
    """Return version and state of the runs, without the `first` ones."""
    return read_rows(project, "select version, state from runs order by seq limit -1 offset ?", first)


def list_versions(project: Project) -> list[tuple[Any, ...]]:
    """Return the versions that workers have announced."""
    try:
        return read_rows(project, "select version from automation_versions order by version")
    except (apsw.CantOpenError, apsw.SQLError) as error:  # it is being made
        raise NoStoreError from error


def wait_for_rollout(project: Project, state: str) -> Any:
    def find() -> Any:
        status = project.json("rollout", "status", "order")
        return status if status["state"] == state else None

    return project.until(find)


def test_bad_version_goes_back_and_a_good_one_comes_into_force(project: Project) -> None:
    """No one does anything after the start: the guard reads the runs, moves the rollouts and says why."""
    project.up()
    project.until(lambda: list_versions(project))
    project.call("rollout", "start", "order", "--to", "2", *PLAN)
    start_orders(project, 0, 60)
    bad = wait_for_rollout(project, "rolled_back")
    assert bad["reason"].startswith("version 2 is worse: its runs fail more often: version 2 ")
    text = project.call("rollout", "status", "order").stdout
    assert "The rollout of order to version 2 was rolled back" in text
    assert "mainspring rollout start order --to 3" in text
    start_orders(project, 60, 80)
    assert {version for version, _ in read_orders(project, 60)} == {1}
    project.call("rollout", "start", "order", "--to", "3", *PLAN)
    start_orders(project, 80, 160)
    wait_for_rollout(project, "finished")
    (slot, *_) = project.json("auto", "next", "order")
    assert slot["local"][11:16] == "05:00"
    start_orders(project, 160, 170)
    assert {version for version, _ in read_orders(project, 160)} == {3}
    project.until(lambda: {state for _, state in read_orders(project, 80)} == {"succeeded"})


@contextlib.contextmanager
def running_worker(project: Project) -> Iterator[None]:
    """Run a worker with the code of a project: a machine has one supervisor for a store."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, project.store], cwd=project.folder, env=project.env(), start_new_session=True
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_workers_of_both_deployments_serve_their_runs(tmp_path: Path) -> None:
    """Each worker has one version only; programs with either version start runs of both."""
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    old, new = Project(folders[0], OLD), Project(folders[1], GOOD)
    new.store = old.store
    with running_worker(old):
        old.until(lambda: list_versions(old) == [(1,)])
        with running_worker(new):
            new.until(lambda: list_versions(new) == [(1,), (3,)])
            old.call("rollout", "start", "order", "--to", "3", "--hold", "1h", "--steps", "50%,100%")
            for number, project in enumerate((old, new)):
                start_orders(project, 20 * number, 20 * number + 20)
            old.until(lambda: {state for _, state in read_orders(old, 0)} == {"succeeded"})
    for number in (0, 20):
        assert {version for version, _ in read_orders(old, number)[:20]} == {1, 3}
