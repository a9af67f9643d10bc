"""A lab and an app on a real store, on the clock of the machine, give a workflow the same history; only ids and instants differ."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import MainspringError
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import Lab

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Case:
    """One start of an example; `answer` = that of a person, `follow` = the automation that its success starts."""

    file: str
    automation: str
    input: dict[str, Any] = field(default_factory=dict)
    answer: str | None = None
    follow: str | None = None


CASES = {
    "steps": Case("order_approval.py", "order-approval", {"number": 1, "cents": 900}),
    "answer": Case("order_approval.py", "order-approval", {"number": 2, "cents": 12_900}, answer="ship"),
    "rollback": Case("order_approval.py", "order-approval", {"number": 3, "cents": 12_900}, answer="refuse"),
    "map with retries": Case("fan_out.py", "fan-out"),
    "undo": Case(
        "ports/temporal/money_transfer.py",
        "money-transfer",
        {"source": "ana", "target": "closed", "cents": 9, "reference": "T1"},
    ),
    "trigger": Case("night_chain.py", "extract", follow="load"),
}


async def read_history(app: ms.App, run_id: str) -> list[object]:
    """Return what a run did, and how it ended."""
    handle = app.handle(run_id)
    try:
        end = re.sub(r"\d{4}-\d\d-\d\d", "DAY", repr(await handle.result()))
    except MainspringError as error:
        end = error.message.replace(run_id, "RUN")
    steps = [(step.ident, step.kind, step.state, step.attempts) for step in await handle.steps()]
    return [await handle.status(), end, steps]


async def read_follower(app: ms.App, name: str) -> list[object]:
    """Return the history of the only run of an automation."""
    [run] = await app.runs.list(name=name)
    return await read_history(app, run.id)


def play_in_lab(registry: Registry, case: Case) -> list[object]:
    """Return the history in a lab."""
    with Lab(registry=registry) as lab:
        run = lab.start(case.automation, **case.input)
        if case.answer is not None:
            run.answer(case.answer)
        lab.advance("30m")
        history = lab.do(lambda app: read_history(app, run.id))
        return history if case.follow is None else history + lab.do(lambda app: read_follower(app, case.follow or ""))


async def play(registry: Registry, case: Case) -> list[object]:
    """Return the history of an app on a store of its own."""
    app = ms.App("real.db", registry=registry)
    async with app.running(schedules=True):
        handle = await app.start(case.automation, **case.input)
        if case.answer is not None:
            async with asyncio.timeout(30):
                while not await app.questions.list():
                    await asyncio.sleep(0.01)
            await app.answer(handle.id, case.answer)
        history = await read_history(app, handle.id)
        if case.follow is None:
            return history
        async with asyncio.timeout(30):
            while not await app.runs.list(name=case.follow):
                await asyncio.sleep(0.01)
        return history + await read_follower(app, case.follow)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_lab_and_engine_give_the_same_history(case, tmp_path, monkeypatch):
    """Steps, attempts, undone steps, the end and its words."""
    histories = []
    for place in ("lab", "real"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        registry = Registry.load([EXAMPLES / case.file])
        assert registry.problems == []
        histories.append(play_in_lab(registry, case) if place == "lab" else asyncio.run(play(registry, case)))
    assert histories[0] == histories[1]
    assert histories[0][2]
