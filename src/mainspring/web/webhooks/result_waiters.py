"""Senders that wait for the result of the run that they started."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.app.handle import find_continuation
from mainspring.domain.errors import MainspringError
from mainspring.domain.states import TERMINAL_STATES, UNDECIDED_STATES, DeliveryState, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.triggers import delivery_outcome

_EVERY_S = 0.25
_LOG = logging.getLogger("mainspring.web.hooks")
MOST_WAITING = 128
"""Whoever comes beyond that is not made to wait."""


class WaitedResult(msgspec.Struct, frozen=True):
    """How a run ended, or what became of a delivery that starts none; `result` is JSON data, of one that succeeded."""

    state: RunState | DeliveryState
    run: str | None = None
    result: Any = None


class ResultWaiters:
    """Looks at the runs that are waited for, one after the other, so that many who wait ask the store no more than few."""

    def __init__(self, reader: StoreReader, sealing: Sealing) -> None:
        self._reader = reader
        self._sealing = sealing
        self._waiting: dict[str, list[asyncio.Future[WaitedResult | None]]] = {}
        self._soon = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def hurry(self) -> None:
        """A run may have ended."""
        self._soon.set()

    async def wait(self, delivery: str, run: str | None, within: timedelta) -> WaitedResult | None:
        """Return how the run of a delivery ended (`run` None = its filter or its pace still decides whether there is one).

        None if it has not within that time, if its result cannot be read, or if too many wait already.
        """
        waited = run or delivery
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return None
        future: asyncio.Future[WaitedResult | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(waited, []).append(future)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await future
        except TimeoutError:
            return None
        finally:
            others = [one for one in self._waiting.get(waited, []) if one is not future]
            if others:
                self._waiting[waited] = others
            else:
                self._waiting.pop(waited, None)

    async def _look(self) -> None:
        """Look until nobody waits any more."""
        while self._waiting:
            self._soon.clear()
            for waited in list(self._waiting):
                await self._look_once(waited)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._soon.wait()

    async def _look_once(self, waited: str) -> None:
        try:
            end = await asyncio.to_thread(self._look_at, waited)
        except MainspringError:
            return  # away, or already pruned: it is looked for again until the wait is over
        except Exception:  # noqa: BLE001 - a result that cannot be read: its sender hears the ids, and the others wait on
            _LOG.exception("the end of %s cannot be told to its sender", waited)
            self._tell(waited, None)
            return
        if end is not None:
            self._tell(waited, end)

    def _tell(self, waited: str, end: WaitedResult | None) -> None:
        for future in self._waiting.get(waited, []):
            if not future.done():
                future.set_result(end)

    def _look_at(self, waited: str) -> WaitedResult | None:
        """Return how a run ended, or that of a delivery; None while there is more to wait for."""
        if not waited.startswith("d_"):
            return self._end_of(waited)
        state, run = delivery_outcome(self._reader, waited)
        if run is not None:
            return self._end_of(run)
        return None if state in UNDECIDED_STATES else WaitedResult(state)

    def _end_of(self, run: str) -> WaitedResult | None:
        """Return how a run ended, or the one that it began anew as; None while it goes on, or waits for a person."""
        view = run_view(self._reader, run)
        while view.state in TERMINAL_STATES and (heir := find_continuation(view)) is not None:
            view = run_view(self._reader, heir)
        if view.state not in TERMINAL_STATES:
            return None
        if view.state is not RunState.SUCCEEDED or view.result is None:
            return WaitedResult(view.state, run)
        return WaitedResult(view.state, run, msgspec.json.decode(self._sealing.open(view.result)))
