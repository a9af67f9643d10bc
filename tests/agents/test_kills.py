"""Agents under kills: no committed model call is paid twice, and no committed tool call is done twice, wherever the worker dies."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.errors import NotFoundError
from mainspring.domain.states import OutcomeState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.one_project import ROOT
from tests.agents.agent_projects import PROJECTS, SCRIPT
from tests.agents.model_server import ModelServer, model_server
from tests.sampling import sample

pytestmark = pytest.mark.timeout(240)
WORKER = """
import asyncio, sys
import mainspring as ms
from mainspring.store import failpoints
from work import support

store, order = sys.argv[1:]
failpoints.install(failpoints.parse(order))

async def live():
    async with ms.App(store).running():
        await asyncio.Event().wait()

asyncio.run(live())
"""
TOOLS = ["before weather Oslo", "after weather Rome", "before pay 5", "after pay 5"]
MODEL = ["model 0", "model 1", "model 2"]
COMMITS = [f"commit.{side}:kill@{number}" for number in range(3, 12, 2) for side in ("after", "before")]

PLACES = {"in tools": TOOLS, "in model calls": MODEL, "at commits": COMMITS}


class Lives:
    """Workers that live one after the other, each until the place where it is killed."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.store = folder / "s.db"
        self.effects = folder / "effects"
        self._folder = folder
        self._server = server
        self._worker: subprocess.Popen[bytes] | None = None
        self.deaths: list[str] = []
        server.before_reply = self._kill_in_model_call
        self._turn = -1

    def _kill_in_model_call(self, turn: int) -> None:
        if turn == self._turn and self._worker is not None:
            self._turn = -1
            self._worker.send_signal(signal.SIGKILL)
            self._worker.wait()

    def has_only_rome(self, committed: list[str]) -> bool:
        """Return whether the call for Rome is committed and the one for Oslo is not."""
        lines = self.effects.read_text().splitlines() if self.effects.exists() else []
        return any("weather" in name for name in committed) and "weather Oslo" not in lines

    async def live(self, run: str, place: str, is_over: "asyncio.Task[object]") -> None:
        """Let one worker live until it dies at this place, or all is over; check that committed calls are not paid again later."""
        kind, _, number = place.partition(" ")
        self._turn = int(number) if kind == "model" else -1
        order = place if place.startswith("commit.") else ""
        env = {"PYTHONPATH": f"{self._folder}:{ROOT / 'src'}", "PYTHONHASHSEED": "0", "KILL_AT": place}
        command = [sys.executable, "-c", WORKER, str(self.store), order]
        self._worker = subprocess.Popen(command, env=os.environ | env)
        died = asyncio.create_task(asyncio.to_thread(self._worker.wait))
        await asyncio.wait({died, is_over}, return_when=asyncio.FIRST_COMPLETED)
        if died.done():
            assert await died in (-signal.SIGKILL, 137)
            self.deaths.append(place)
        else:
            self._worker.terminate()
            await died


async def _answer_questions(app: ms.App, run: str) -> None:
    while True:
        try:
            await app.answer(run, "approve")
            return
        except NotFoundError:
            await asyncio.sleep(0.05)


class Snapshot:
    """What is done and paid at a death: nothing of it may happen again."""

    def __init__(self, committed: list[str], server: ModelServer, effects: Path) -> None:
        lines = effects.read_text().splitlines() if effects.exists() else []
        turns = sum("model" in name for name in committed)
        self.paid = {turn: server.paid()[turn] for turn in range(turns)}
        self.effects: dict[str, int] = {}
        if sum("weather" in name for name in committed) == 2:
            self.effects |= {line: lines.count(line) for line in lines if line.startswith("weather")}
        if any("pay" in name for name in committed):
            self.effects["pay 5"] = lines.count("pay 5")


async def _committed(handle: ms.Handle) -> list[str]:
    return [outcome.name for outcome in (await handle.history()).outcomes if outcome.state is OutcomeState.SUCCEEDED]


async def _work(
    lives: Lives, app: ms.App, server: ModelServer, places: Sequence[str]
) -> tuple[str, list[str], list[Snapshot]]:
    handle = await app.options(key="one").start("support", "How is the weather?")
    answering = asyncio.create_task(_answer_questions(app, handle.id))
    is_over = asyncio.create_task(handle.result())
    snapshots = []
    for place in [*places, ""]:
        if place == "after weather Rome" and lives.has_only_rome(await _committed(handle)):
            continue  # it was faster than the call for Oslo, at which the worker before died
        await lives.live(handle.id, place, is_over)
        snapshots.append(Snapshot(await _committed(handle), server, lives.effects))
        if is_over.done():
            break
    answering.cancel()
    return await is_over, await _committed(handle), snapshots


@pytest.mark.parametrize(
    ("library", "places"),
    [(library, places) for library in PROJECTS for places in sample(f"kills of {library}", list(PLACES), one_in=3)],
)
def test_no_committed_call_of_an_agent_is_repeated(tmp_path, monkeypatch, library, places):
    """Workers die one after the other; the run continues, and what is in its journal is neither paid nor done again."""
    (tmp_path / "work.py").write_text(PROJECTS[library])
    with model_server(SCRIPT) as server:
        monkeypatch.setenv("MODEL_URL", server.url)
        monkeypatch.setenv("RECORD", str(tmp_path))
        lives = Lives(tmp_path, server)
        app = ms.App(str(lives.store), registry=Registry.load(["work.py"], tmp_path))
        result, committed, snapshots = asyncio.run(_work(lives, app, server, PLACES[places]))
        app.close()
        paid = server.paid()
    effects = lives.effects.read_text().splitlines()
    assert result == SCRIPT[-1]
    assert sum("model" in name for name in committed) == 3
    assert set(effects) == {"weather Oslo", "weather Rome", "pay 5"}
    for snapshot in snapshots:
        assert {turn: paid[turn] for turn in snapshot.paid} == snapshot.paid
        assert {line: effects.count(line) for line in snapshot.effects} == snapshot.effects
    if places != "at commits":
        assert [place for place in PLACES[places] if place not in lives.deaths] in ([], ["after weather Rome"])
        # a call on its way was not committed: it is paid a second time, and none is when a tool dies
        assert paid == ({0: 1, 1: 1, 2: 1} if places == "in tools" else {0: 2, 1: 2, 2: 2})
    assert len(lives.deaths) >= 3
