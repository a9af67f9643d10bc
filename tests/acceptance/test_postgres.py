"""The same code and commands on a PostgreSQL server, with real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import warm_command_line
from tests.acceptance.one_project import NoStoreError
from tests.polling import polls, states_of
from tests.postgres_proxy import Proxy
from tests.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0

AUTOMATIONS = """
import asyncio, os, time
import mainspring as ms

@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    first = await run.step(note, f"charge {number}")
    second = await run.step(wait, 0.3)
    return await run.step(note, f"send {number}")

async def note(text: str) -> int:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.getpid()} {ms.idempotency_key()} {text}\\n")
    return len(text)

async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds
"""

BEGIN = """
import asyncio, sys
import mainspring as ms
from work import order

async def main() -> None:
    app = ms.App(sys.argv[1])
    for number in range(int(sys.argv[2])):
        await app.start(order, number)

asyncio.run(main())
"""


class Team:
    """A project whose store is on a server, and the processes of several machines that work on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._url = url
        self.effects = folder / "effects"
        self.effects.touch()
        (folder / "work.py").write_text(AUTOMATIONS)
        (folder / "mainspring.toml").write_text(
            f'[project]\nautomations = ["work.py"]\n[exec]\nspool = "{folder}/spool"\n'
        )
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_STORE_URL": url,
            "MAINSPRING_UP_ROLES": "worker,scheduler",
            "XDG_STATE_HOME": str(folder / "state"),
            "EFFECTS": str(self.effects),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def up(self) -> "subprocess.Popen[bytes]":
        """Start a supervisor with its worker."""
        with (self.folder / f"log{len(self._started)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mainspring", "up"],
                cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def end(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """Call the program and return how it ended."""
        return warm_command_line.call([*words, "--json"], cwd=self.folder, env=self.env, timeout=TIMEOUT_S, text=False)

    def call(self, *words: str) -> Any:
        """Call the program and return what it prints as JSON."""
        done = self.end(*words)
        if done.returncode == 2 and b"there is no store" in done.stderr:
            raise NoStoreError(done.stderr)
        assert done.returncode in (0, 9), done.stderr.decode()
        return json.loads(done.stdout)

    def until(self, condition: Any) -> Any:
        """Ask again and again until there is an answer."""
        for _ in polls(TIMEOUT_S):
            with suppress(NoStoreError):
                if found := condition():
                    return found
        logs = "\n".join(path.read_text() for path in sorted(self.folder.glob("log*")))
        raise AssertionError(f"it did not come\n{logs}")

    def states(self) -> list[str]:
        """Return the states of all runs."""
        return list(states_of(self._url).values())

    def begin(self, count: int) -> "subprocess.Popen[bytes]":
        """Let a program of its own start so many orders; it ends with 0."""
        words = [sys.executable, "-c", BEGIN, self.env["MAINSPRING_STORE_URL"], str(count)]
        with (self.folder / "log-begin").open("wb") as log:
            return subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=log, stderr=log)

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def team(tmp_path: Path, postgres: PostgresServer) -> Iterator[Team]:
    made = Team(tmp_path, postgres.new_store())
    yield made
    made.close()


@pytest.mark.slow
def test_runs_of_a_killed_worker_continue(team: Team) -> None:
    """After kill -9 of a worker under load each run ends, and each step has its effect under one key."""
    supervisor = team.up()
    (worker,) = team.until(lambda: [w["pid"] for w in team.call("workers", "list") if w["role"] == "worker"])
    started = team.begin(12)
    team.until(lambda: len(team.effects.read_text().splitlines()) >= 6)
    assert team.states().count("succeeded") < 12
    os.kill(worker, signal.SIGKILL)
    assert started.wait(TIMEOUT_S) == 0
    team.until(lambda: team.states().count("succeeded") == 12)
    lines = [line.split(" ", 2) for line in team.effects.read_text().splitlines()]
    assert {text for _, _, text in lines} == {f"{verb} {n}" for verb in ("charge", "send") for n in range(12)}
    assert len({(key, text) for _, key, text in lines}) == 24
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(TIMEOUT_S) == 0
    assert team.call("workers", "list") == []


def test_commands_answer_on_a_server(team: Team) -> None:
    """A store that is not there, is made, is looked at and judged; no password of its address is shown."""
    assert team.call("db", "migrate", "--create")["created"] is True
    assert team.call("db", "migrate")["created"] is False
    assert team.call("runs", "list") == []
    displayed = json.dumps(team.call("doctor", "--config"))
    assert "postgresql://" in displayed
    assert team.call("db", "prune", "--dry-run")["dry_run"] is True
    assert team.call("audit-log", "verify")


@pytest.mark.slow
def test_command_on_a_silent_line_is_reported_and_ends(team: Team, postgres: PostgresServer) -> None:
    """The line takes what is sent and answers nothing, while a command reads and while it writes: exit code 75 and a sentence."""
    team.call("db", "migrate", "--create")
    line = Proxy(postgres.port)
    team.env["MAINSPRING_STORE_URL"] = team.env["MAINSPRING_STORE_URL"].replace(f":{postgres.port}/", f":{line.port}/")
    try:
        for words in (("runs", "list"), ("run", "order", "number=1", "--detach")):
            assert team.end(*words).returncode == 0
            line.fall_silent(after=b"read only" if words == ("runs", "list") else b"pg_advisory_xact_lock")
            done = team.end(*words)
            assert done.returncode == 75, done
            assert b"no answer for" in done.stderr
            line.speak()
    finally:
        line.close()


STARTER = """
import asyncio, sys
import mainspring as ms

@ms.task
def echo(text: str) -> str:
    return text

async def main() -> None:
    await ms.App(sys.argv[1]).start(echo, "x")

asyncio.run(main())
"""


def test_program_that_only_starts_a_run_ends_without_a_word(postgres: PostgresServer) -> None:
    """No one has to close an app; what its reads leave behind is closed when the program ends."""
    words = [sys.executable, "-c", STARTER, postgres.new_store()]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    first = subprocess.run(words, capture_output=True, check=False, env=env, timeout=TIMEOUT_S, text=True)
    assert (first.returncode, first.stdout, len(first.stderr.splitlines())) == (0, "", 1)
    assert first.stderr.startswith("created a new store at ")
    done = subprocess.run(words, capture_output=True, check=False, env=env, timeout=TIMEOUT_S, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_machine_continues_after_its_server_was_away(tmp_path: Path) -> None:
    """The server is killed under load, twice, and comes back: supervisor and worker continue by themselves, and every run ends."""
    server = PostgresServer().start()
    team = Team(tmp_path, server.new_store())
    try:
        supervisor = team.up()
        team.until(lambda: [w for w in team.call("workers", "list") if w["role"] == "worker"])
        assert team.begin(6).wait(TIMEOUT_S) == 0
        for _ in range(2):
            server.kill()
            server.start()
        team.until(lambda: team.states().count("succeeded") == 6)
        assert supervisor.poll() is None
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT_S) == 0
    finally:
        team.close()
        server.remove()
