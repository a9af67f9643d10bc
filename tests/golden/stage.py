"""What golden stores are made by and brought to their end on: the automations of a version, its scenes, and an engine of today's.

A scene is one run: `name`, `run` (its automation), `args`, `key`, `due_in_s`; `before` = what is done to it until it `rests` in a state, in
which it is kept; `after` = what is done to it then; `ends` = its last state (of a finished one that is `rests`), and `result` as JSON.
"""

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.values.codec import decode, encode
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.store.commands.runs import ClaimedRun
from tests.acceptance.engine_world import Engine

HERE = Path(__file__).parent


class Journal(msgspec.Struct):
    """One run as it was kept: what it was claimed with, what was saved of it and how it stood."""

    run: ClaimedRun
    state: RunState
    result: bytes | None
    outcomes: list[Outcome]
    superseded: list[Outcome]


class Recording(msgspec.Struct):
    """What is known of a golden store besides itself: the run of each scene, and the keys under which steps were done."""

    runs: dict[str, str]
    done: list[str]


def versions() -> Iterator[Path]:
    """Yield the folder of each version, oldest first."""
    yield from sorted(HERE.glob("v*_*_*"), key=lambda folder: [int(part) for part in folder.name[1:].split("_")])


def load(folder: Path) -> tuple[ModuleType, Registry]:
    """Return the automations of a version, fresh: nothing is broken, hangs or was called."""
    name = f"tests.golden.{folder.name}.automations"
    sys.modules.pop(name, None)
    with Registry() as registry:
        return importlib.import_module(name), registry


class Stage:
    """One engine, and the automations of a version that it runs."""

    def __init__(self, engine: Engine, module: ModuleType) -> None:
        self.engine = engine
        self.module = module

    async def begin(self, scene: dict[str, Any]) -> str:
        """Start the run of a scene and bring it to where it is kept."""
        due_in = scene.get("due_in_s")
        at = datetime.now(UTC) + timedelta(seconds=due_in) if due_in else None
        starter = self.engine.app.options(key=scene.get("key"), at=at)
        for act in scene.get("before", ()):
            if act[0] in ("break", "hang"):
                await self.act("", *act)
        run = (await starter.start(scene["run"], *scene.get("args", ()))).id
        for act in scene.get("before", ()):
            await self.act(run, *act)
        await self.engine.until(run, RunState(scene["rests"]))
        return run

    async def finish(self, scene: dict[str, Any], run: str) -> None:
        """Bring a kept run to its end; afterwards it has ended as its scene says."""
        for act in scene.get("after", ()):
            await self.act(run, *act)
        expected = RunState(scene.get("ends", scene["rests"]))
        view = await self.engine.until(run, *TERMINAL_STATES)
        assert view.state is expected, (scene["name"], view.failure)
        if "result" in scene:
            assert view.result is not None
            assert decode(view.result) == scene["result"], scene["name"]

    async def act(self, run: str, verb: str, *words: Any) -> None:
        """Do one thing to a run, or to the world that its steps live in."""
        engine, app = self.engine, self.engine.app
        match verb, words:
            case "until", (state,):
                await engine.until(run, RunState(state))
            case "saved", (count,):
                await engine.when(
                    lambda: engine.history(run), lambda s: len(s.outcomes) >= count and s.run.state == "waiting"
                )
            case "asked", ():
                await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.question for w in waits))
            case "begun", (word,):
                await engine.when(lambda: self.module.BEGUN, lambda words: word in words)
            case "signal", (name, value):
                await app.signal(run, name, value)
            case "publish", (name, data):
                await app.publish(name, data)
            case "answer", (choice,):
                await app.answer(run, choice)
            case "cancel", ():
                await app.cancel(run)
            case "retry", ():
                await app.retry(run)
            case "retry_from", (step,):
                await engine.act(run_recovery.retry_from, run, step)
            case "give", (step, value):
                await engine.give(run, encode(value), step)
            case "break", (word,):
                self.module.BROKEN.add(word)
            case "mend", (word,):
                self.module.BROKEN.discard(word)
            case "hang", (word,):
                self.module.HANGING.add(word)
            case _:
                raise AssertionError(f"no such act: {verb} {words}")

    def journals(self) -> list[Journal]:
        """Return all runs of the store as they stand."""
        page = self.engine.reads.list_runs(limit=1000)
        assert page.cursor is None
        return [self.journal(row.id) for row in reversed(page.runs)]

    def journal(self, run: str) -> Journal:
        """Return one run as it stands."""
        history = self.engine.history(run)
        view = history.run
        given = {name: getattr(view, name) for name in ClaimedRun.__struct_fields__ if hasattr(view, name)}
        given["started_at"] = view.started_at or view.created_at
        return Journal(
            ClaimedRun(**given),
            view.state,
            view.result,
            [o for o in history.outcomes if o.superseded is None],
            [o for o in history.outcomes if o.superseded is not None],
        )


def calls(module: ModuleType) -> set[str]:
    """Return the idempotency keys under which steps were brought to their end since the module was loaded."""
    return {key for key, _ in module.CALLS}
