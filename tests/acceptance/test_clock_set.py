"""A clock that is two hours ahead and is put back under real processes: the machine's beside a file, the server's on PostgreSQL."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.one_project import Project
from tests.postgres_server import PostgresServer

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not LIBRARY.exists(), reason="libfaketime is not installed: see .ci/debian.txt"),
]

_CODE = """
import asyncio
import mainspring as ms
from tenacity import wait_fixed

@ms.step(retry=ms.Retry(attempts=4, wait=wait_fixed(20)))
def flaky() -> int:
    if ms.attempt() < 2:
        raise ms.Transient("not yet")
    return ms.attempt()

async def sleep_twice() -> str:
    await asyncio.sleep(20)
    await asyncio.sleep(2)
    return "slept"

@ms.workflow(deadline="1d")
async def waits(run: ms.Run) -> list[str]:
    asked = run.ask("Go?", choices=["yes"], within="20s", otherwise="late")
    slept, attempt, answer = await asyncio.gather(sleep_twice(), run.step(flaky), asked)
    return [slept, str(attempt), answer]
"""


class Clock:
    """A clock that a file sets; the file is replaced at once, for anyone who reads half of it ends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mainspring-clock-"))
        self._folder.chmod(0o755)
        self._file = self._folder / "offset"

    def put(self, offset: str) -> None:
        new = self._folder / "new"
        new.write_text(offset)
        new.chmod(0o644)
        new.replace(self._file)

    @property
    def env(self) -> dict[str, str]:
        """Seconds that only grow (CLOCK_BOOTTIME, CLOCK_MONOTONIC) stay as they are."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def close(self) -> None:
        shutil.rmtree(self._folder)


class FakedProject(Project):
    """A project whose processes go by a clock of their own."""

    clock_env: dict[str, str]

    def env(self, **more: str) -> dict[str, str]:
        return super().env(**self.clock_env, **more)


class FakedServer(PostgresServer):
    """A server that goes by a clock of its own."""

    clock_env: dict[str, str]

    def _env(self) -> dict[str, str]:  # type: ignore[override]
        return PostgresServer._env() | self.clock_env


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    made.put("+2h")
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path, clock: Clock) -> Iterator[Project]:
    FakedProject.clock_env = clock.env
    made = FakedProject(tmp_path, _CODE)
    yield made
    made.kill_all()


@pytest.fixture
def project_on_server(tmp_path: Path, clock: Clock) -> Iterator[Project]:
    FakedServer.clock_env = clock.env
    server = FakedServer().start()
    made = Project(tmp_path, _CODE)
    made.store = server.url("postgres") + "?schema=clocks"
    yield made
    made.kill_all()
    server.remove()


@pytest.mark.slow
def test_waits_of_living_processes_end_although_the_machine_put_its_clock_back(project: Project, clock: Clock) -> None:
    """A sleep, a retry and a question of 20 seconds end within two minutes, not after two hours; `status` and `explain` say why."""
    assert_waits_end(project, clock)


@pytest.mark.slow
def test_waits_of_living_processes_end_although_the_server_put_its_clock_back(
    project_on_server: Project, clock: Clock
) -> None:
    """The machines' clocks were right all the time: it is the server's that counts."""
    assert_waits_end(project_on_server, clock)


def regressed(project: Project) -> Any:
    """Return the status once it has the incident of the clock; None before. It ends with 9 then.

    "or more" where a process that had just begun met the step: it knows of the old clock only what others wrote.
    """
    status = json.loads(project.call("status", "--json", code=9).stdout)
    return status if any("the clock was put back by 2h" in problem for problem in status["problems"]) else None


def assert_waits_end(project: Project, clock: Clock) -> None:
    run = project.start("waits")
    project.up("up", "--role", "worker", "--role", "scheduler")
    project.until(lambda: set(project.states().values()) == {"retrying"})
    clock.put("+0")
    project.until(lambda: set(project.states().values()) == {"succeeded"}, timeout_s=120)
    assert project.json("runs", "show", run)["result"] == ["slept", "2", "late"]
    status = project.until(lambda: regressed(project))
    (note,) = status["notes"]
    assert "The clock was put back by 2h" in note
    assert "moved with it" in note
    assert "The clock was put back by 2h" in project.call("explain", run).stdout
