"""A command whose machine has a wrong clock, beside a healthy fleet on PostgreSQL: the database's clock counts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.one_project import Project
from tests.acceptance.test_clock_set import LIBRARY
from tests.postgres_server import PostgresServer

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not LIBRARY.exists(), reason="libfaketime is not installed: see .ci/debian.txt"),
]
CODE = """
import mainspring as ms

@ms.workflow(owner="ops")
async def asks(run: ms.Run) -> str:
    return await run.ask("Go?", choices=["yes", "no"], within="3d", otherwise="no")
"""


@pytest.fixture
def project(tmp_path: Path, postgres: PostgresServer) -> Iterator[Project]:
    made = Project(tmp_path, CODE)
    made.store = postgres.new_store()
    yield made
    made.kill_all()


@pytest.mark.parametrize("offset", ["+1d", "-1d"])
def test_commands_evaluate_the_fleet_by_the_clock_of_the_database(project: Project, offset: str) -> None:
    """What status, workers, monitors, explain and doctor say is the same whatever the caller's clock says; doctor reports that clock."""

    def call(*words: str, code: int = 0) -> str:
        env = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return project.call(*words, code=code, **env).stdout

    project.up("up", "--role", "worker", "--role", "scheduler", "--role", "watcher")
    project.until(lambda: {worker["role"] for worker in project.json("workers", "list")} >= {"worker", "watcher"})
    run = project.start("asks")
    project.until(lambda: set(project.states().values()) == {"waiting"})
    project.until(lambda: project.json("status")["healthy"])
    assert json.loads(call("status", "--json"))["healthy"]
    assert json.loads(call("status", "--here", "--json"))["missing"] == []
    assert "stopped or blocked" not in call("status", "--since", "1h")
    assert "silent" not in call("workers", "list")
    states = [monitor["state"] for monitor in json.loads(call("monitors", "list", "--json"))]
    assert states == [monitor["state"] for monitor in project.json("monitors", "list")]
    assert "in 3d" in call("explain", run)
    call("watch")
    (clock,) = [check for check in json.loads(call("doctor", "--json", code=9)) if check["name"] == "clock"]
    side = "ahead of" if offset == "+1d" else "behind"
    assert clock["text"] == f"the clock of this machine is 1d {side} the clock of the database, which counts"
