"""Engines for the behaviour suite, each with a worker of its own. Another engine is one more name in ENGINES."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.values.codec import encode
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.run_engine import RunEngine
from mainspring.service.store_engine import StoreEngine
from mainspring.store.commands.results import StartAnswer
from mainspring.store.views import QueryView, RunView, UpdateView
from tests.acceptance.engine_world import World

ENGINES = ("postgres", "sqlite")
LONGEST_S = 20.0
_PLAIN = StartOptions()


class EngineCaller:
    """Calls an engine as a program does, each operation off the loop and under a command id of its own."""

    def __init__(self, engine: RunEngine, clock: Any) -> None:
        self.engine = engine
        self.clock = clock

    def act(self, command: str | None = None) -> OperationContext:
        return operation_context(Actor.app(1, "test"), self.clock, command=command)

    async def call(self, method: Callable[..., Any], *args: Any, command: str | None = None, **kwargs: Any) -> Any:
        return await asyncio.to_thread(method, *args, act=self.act(command), **kwargs)

    async def definition(self, name: str) -> Definition:
        return await asyncio.to_thread(self.engine.find_definition, name)

    async def start(
        self, name: str, *, command: str | None = None, options: StartOptions = _PLAIN, **arguments: Any
    ) -> StartAnswer:
        data = encode(arguments)
        return await self.call(self.engine.start, await self.definition(name), data, command=command, options=options)

    async def describe(self, run: str) -> RunView:
        return await asyncio.to_thread(self.engine.describe, run)

    async def until(self, run: str, holds: Callable[[RunView], bool]) -> RunView:
        """Return the run once its row holds."""
        async with asyncio.timeout(LONGEST_S):
            while not holds(view := await self.describe(run)):
                await asyncio.sleep(0.01)
        return view

    async def end_of(self, run: str) -> RunView:
        """Return the run after its end, which the engine reports."""
        ended = threading.Event()
        with self.engine.watch_end(run, ended.set):
            while (view := await self.describe(run)).finished_at is None:
                assert await asyncio.to_thread(ended.wait, LONGEST_S), view
                ended.clear()
        return view

    async def reply_to(self, update: str) -> UpdateView:
        """Return an update after its reply, which the engine reports."""
        replied = threading.Event()
        with self.engine.watch_end(update, replied.set):
            while (view := await asyncio.to_thread(self.engine.read_update, update)).replied_at is None:
                assert await asyncio.to_thread(replied.wait, LONGEST_S), view
                replied.clear()
        return view

    async def answer_to(self, run: str, name: str, value: object) -> QueryView:
        """Ask a query, and return it after its answer."""
        engine, within = self.engine, timedelta(seconds=LONGEST_S)
        stored = await asyncio.to_thread(engine.ask_query, run, name, value, within)
        answered = threading.Event()
        with engine.watch_end(stored.id, answered.set):
            while (view := await asyncio.to_thread(engine.read_query, stored.id)).answered_at is None:
                assert await asyncio.to_thread(answered.wait, LONGEST_S), view
                answered.clear()
        return view


@pytest.fixture(params=ENGINES)
def open_engine(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Registry], contextlib.AbstractAsyncContextManager[EngineCaller]]:
    """Opens an engine whose worker has the automations of a registry."""
    place: Any = tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_stores").lend()

    @contextlib.asynccontextmanager
    async def opened(registry: Registry) -> AsyncIterator[EngineCaller]:
        async with World(place).engine(registry) as engine:
            app: ms.App = engine.app
            yield EngineCaller(StoreEngine(engine.working.store, app.clock, app.sealing), app.clock)

    return opened
