"""Waiters for results: senders that wait for the result of the run that they started."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.states import TERMINAL_STATES, UNDECIDED_STATES, DeliveryState, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.triggers import delivery_outcome
from mainspring.store.views import find_continuation

_EVERY_S = 0.25
_LOG = logging.getLogger("mainspring.web.hooks")
MOST_WAITING = 128
"""The limit of waiters; a further sender does not wait."""


class WaitedResult(msgspec.Struct, frozen=True):
    """The end of a run, or the outcome of a delivery that starts none; `result` is JSON data of a run that succeeded."""

    state: RunState | DeliveryState
    run: str | None = None
    result: Any = None


class ResultWaiters:
    """The waiting senders of a process. It polls their runs one after the other, so that many waiters cause few reads."""

    def __init__(self, reader: StoreReader, sealing: Sealing) -> None:
        self._reader = reader
        self._sealing = sealing
        self._waiting: dict[str, list[asyncio.Future[WaitedResult | None]]] = {}
        self._wakeup = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None

    def hurry(self) -> None:
        """Poll soon: a run may have ended."""
        self._wakeup.set()

    async def wait(self, delivery: str, run: str | None, within: timedelta) -> WaitedResult | None:
        """Return the end of a delivery's run (`run` None = a filter or the flow control still decides whether there is one).

        None if it has not ended within that time, if its result cannot be read, or if too many wait already.
        """
        awaited_id = run or delivery
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return None
        future: asyncio.Future[WaitedResult | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(awaited_id, []).append(future)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await future
        except TimeoutError:
            return None
        finally:
            remaining = [waiter for waiter in self._waiting.get(awaited_id, []) if waiter is not future]
            if remaining:
                self._waiting[awaited_id] = remaining
            else:
                self._waiting.pop(awaited_id, None)

    async def _poll(self) -> None:
        """Poll until no sender waits."""
        while self._waiting:
            self._wakeup.clear()
            for awaited_id in list(self._waiting):
                await self._poll_once(awaited_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._wakeup.wait()

    async def _poll_once(self, awaited_id: str) -> None:
        try:
            end = await asyncio.to_thread(self._read_outcome, awaited_id)
        except MainspringError:
            return  # unreachable, or deleted already: polled again until the wait is over
        except Exception:  # noqa: BLE001 - a result that cannot be read: its sender gets the ids, and the others wait on
            _LOG.exception("the end of %s cannot be reported to its sender", awaited_id)
            self._resolve(awaited_id, None)
            return
        if end is not None:
            self._resolve(awaited_id, end)

    def _resolve(self, awaited_id: str, end: WaitedResult | None) -> None:
        for future in self._waiting.get(awaited_id, []):
            if not future.done():
                future.set_result(end)

    def _read_outcome(self, awaited_id: str) -> WaitedResult | None:
        """Return the end of a run, or of a delivery's run; None if it has not ended."""
        if not awaited_id.startswith("d_"):
            return self._read_end(awaited_id)
        state, run = delivery_outcome(self._reader, awaited_id)
        if run is not None:
            return self._read_end(run)
        return None if state in UNDECIDED_STATES else WaitedResult(state)

    def _read_end(self, run: str) -> WaitedResult | None:
        """Return the end of a run, or of its continuation; None while it is unfinished or waits for a person."""
        view = run_view(self._reader, run)
        while view.state in TERMINAL_STATES and (successor := find_continuation(view)) is not None:
            view = run_view(self._reader, successor)
        if view.state not in TERMINAL_STATES:
            return None
        if view.state is not RunState.SUCCEEDED or view.result is None:
            return WaitedResult(view.state, run)
        return WaitedResult(view.state, run, msgspec.json.decode(self._sealing.open(view.result)))
