"""A store file, and engines that work on it one after the other or side by side: what the tests of the engine's behaviour stand on.

Each engine is a real `WorkerRuntime` with a real `ms.App` before it; it is only made here by hand so that its bounds can be chosen.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import mainspring as ms
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.domain.states import RunState
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.stored_explanation import explain_run
from mainspring.service.runs import run_recovery
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.views import RunHistory, RunView
from tests.service_calls import call_service

LONGEST_S = 60.0
AT_ONCE = WorkerOptions(suspend_after_ms=0)
"""Every wait suspends, however short."""
REPLAYING = WorkerOptions(suspend_after_ms=0, max_suspended=0)
"""Every wait suspends and unloads, so that each continuation replays."""


class Engine:
    """One working engine and the app before it."""

    def __init__(self, app: ms.App, working: WorkerRuntime) -> None:
        self.app = app
        self.working = working

    async def start(self, automation: Any, *args: Any, **kwargs: Any) -> ms.Handle:
        return await self.app.start(automation, *args, **kwargs)

    async def until(self, run: ms.Handle | str, *states: RunState) -> RunView:
        """Return the run's row once it is in one of these states."""
        return await self.when(lambda: self.view(run), lambda v: v.state in states)

    async def when(self, read: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
        """Return what is read once it holds. A read takes the loop from the engine: twice as long passes before the next one."""
        value: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                while True:
                    started = time.monotonic()
                    if holds(value := read()):
                        return value
                    await asyncio.sleep(2 * (time.monotonic() - started))
                    await self.change(0.01)
        raise AssertionError(f"this was waited for in vain; at last: {value}")

    async def change(self, within: float) -> None:
        """Wait for the next change in the store, up to `within` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.working.changed.wait(), within)

    def history(self, run: ms.Handle | str) -> RunHistory:
        return self.reads.run_history(_id(run))

    def view(self, run: ms.Handle | str) -> RunView:
        return self.history(run).run

    def explain(self, run: ms.Handle | str) -> Explanation:
        now = self.working.worker.clock.now()
        return explain_run(self.working.store.reader, self.history(run), now, "UTC")

    @property
    def reads(self) -> OperationReads:
        return OperationReads(self.working.store.reader)

    async def act(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Perform an operation of the service layer that reads the run first."""
        return await call_service(
            self.app, lambda store, *, act: operation(store, self.reads, *args, act=act, **kwargs)
        )

    async def give(self, run: ms.Handle | str, data: bytes, step: str | None = None) -> None:
        await self.act(run_recovery.give_result, _id(run), data, step=step, sealing=self.app.sealing)

    async def pass_time(self, span: timedelta) -> None:
        """Let a fake clock continue and look for what is due."""
        self.app.clock.advance(span)  # type: ignore[attr-defined]
        self.working.worker.request_claim()
        if self.working._scheduler is not None:
            self.working._scheduler.poll()
        if self.working._intake_and_delivery is not None:
            self.working._intake_and_delivery.changed()
        await asyncio.sleep(0)

    async def die(self) -> None:
        """Be gone as after kill -9: nothing more is written, and the session is found dead."""
        self.working.worker.stop()
        self.working.release_output()
        if self.working._intake_and_delivery is not None:
            await self.working._intake_and_delivery.close()
        for closing in (
            self.working._scheduler,
            self.working._stall,
            self.working._upkeep,
            self.working._filter_runner,
        ):
            if closing is not None:
                closing.close()
        await asyncio.to_thread(self.working.store.close, drain=False)


class World:
    """The store - a file in the folder, or the address of a server - and the time."""

    def __init__(self, place: Path | str, clock: Any = None) -> None:
        self.path = place / "state.db" if isinstance(place, Path) else place
        self.clock = clock
        self._live: list[Engine] = []

    @contextlib.asynccontextmanager
    async def engine(
        self,
        registry: Registry,
        settings: WorkerOptions | None = None,
        *,
        codec: Any = None,
        payload_max: int | str = DEFAULT_LIMIT,
        **options: Any,
    ) -> AsyncIterator[Engine]:
        """Let an engine work until the block ends (drained) or it died."""
        app = ms.App(self.path, registry=registry, clock=self.clock, codec=codec, payload_max=payload_max)
        chosen = settings or WorkerOptions()
        working = WorkerRuntime(
            self.path, registry, clock=app.clock, sealing=app.sealing, settings=chosen, role="app", **options
        )
        await working.open()
        app._runtime = working
        engine = Engine(app, working)
        try:
            yield engine
        finally:
            if working.store._database is not None:
                await working.close(drain=2.0)

    async def declare_dead(self, engine: Engine, dead: int) -> None:
        """Let an engine find out that another one's session is dead."""
        await engine.working.apply(DeclareSessionDead(dead))


def _id(run: ms.Handle | str) -> str:
    return run if isinstance(run, str) else run.id
