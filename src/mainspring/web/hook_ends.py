"""Senders that wait for the result of the run that they started."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.app.handle import heir_of
from mainspring.domain.errors import MainspringError
from mainspring.domain.sealing import Sealing
from mainspring.domain.states import TERMINAL, RunState
from mainspring.store.base import Reader
from mainspring.store.reads.runs import run_view

_EVERY_S = 0.25
MOST_WAITING = 128
"""Whoever comes beyond that is not made to wait."""


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended; `result` is JSON data, of one that succeeded."""

    state: RunState
    result: Any = None


class HookEnds:
    """Looks at the runs that are waited for, one after the other, so that many who wait ask the store no more than few."""

    def __init__(self, reader: Reader, sealing: Sealing) -> None:
        self._reader = reader
        self._sealing = sealing
        self._waiting: dict[str, list[asyncio.Future[RunEnd]]] = {}
        self._soon = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def hurry(self) -> None:
        """A run may have ended."""
        self._soon.set()

    async def wait(self, run: str, within: timedelta) -> RunEnd | None:
        """Return how the run ended; None if it has not within that time, or if too many wait already."""
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return None
        future: asyncio.Future[RunEnd] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run, []).append(future)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await future
        except TimeoutError:
            return None
        finally:
            others = [one for one in self._waiting.get(run, []) if one is not future]
            if others:
                self._waiting[run] = others
            else:
                self._waiting.pop(run, None)

    async def _look(self) -> None:
        """Look until nobody waits any more."""
        while self._waiting:
            self._soon.clear()
            for run in list(self._waiting):
                with contextlib.suppress(
                    MainspringError
                ):  # away, or already pruned: it is looked for again until the wait is over
                    self._tell(run, await asyncio.to_thread(self._end_of, run))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._soon.wait()

    def _tell(self, run: str, end: RunEnd | None) -> None:
        for future in self._waiting.get(run, []) if end is not None else []:
            if not future.done():
                future.set_result(end)  # type: ignore[arg-type]

    def _end_of(self, run: str) -> RunEnd | None:
        """Return how a run ended, or the one that it began anew as; None while it goes on, or waits for a person."""
        view = run_view(self._reader, run)
        while view.state in TERMINAL and (heir := heir_of(view)) is not None:
            view = run_view(self._reader, heir)
        if view.state not in TERMINAL:
            return None
        if view.state is not RunState.SUCCEEDED or view.result is None:
            return RunEnd(view.state)
        return RunEnd(view.state, msgspec.json.decode(self._sealing.open(view.result)))
