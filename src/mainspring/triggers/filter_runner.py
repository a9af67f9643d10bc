"""Filters of users run here, in a worker, on deliveries that are stored: never in the process that took them in.

A filter is asked at least once for a delivery, and may be asked in several workers: it says yes or no and does nothing else. One that says
nothing for too long fails its delivery, and its thread is made up for; so does one that ended several processes (see poison_deliveries.py).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.errors import SealedError
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.attempts.thread_pool import DaemonThreadPool
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import Refused
from mainspring.store.commands.triggers import DecideDelivery, RecordFilterCall
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import DeliveryRow, UnreadableDelivery, read_events
from mainspring.triggers.filter_call import call_filter
from mainspring.triggers.poison_deliveries import BUSY, MAX_DEATHS, PoisonDeliveries
from mainspring.triggers.start_from_event import EventData
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache
from mainspring.triggers.undecided_deliveries import UndecidedDeliveries

_LOG = logging.getLogger("mainspring.filters")
_BATCH_SIZE = 100
_THREADS = 4
_RETRY_AFTER_S = 1.0
_UNREADABLE_RETRY_S = 5.0

_FilterCall = tuple[CachedTrigger, DeliveryRow, EventData]
_FoundDeliveries = list[tuple[CachedTrigger, DeliveryRow, EventData | None, int | None]]
"""The last: how many processes ended while they asked, of a delivery that was there before this process."""


class FilterRunner:
    """Made and used in `loop`'s thread. It answers for the triggers of the automations that are loaded here, and no others."""

    longest_s = 30.0
    """How long a filter may take for its answer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reader: StoreReader,
        registry: Registry,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._registry = registry
        self._known = TriggerCache(reader)
        self._waiting = UndecidedDeliveries(reader, filtered=True)
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._threads = DaemonThreadPool(_THREADS)
        self._asked: set[str] = set()
        """Deliveries whose filter runs here, or whose verdict is on its way."""
        self._suspects = PoisonDeliveries(reader)
        self._alone: deque[_FilterCall] = deque()
        """Those that are asked one at a time; the first one now."""
        self._hung: set[str] = set()
        """Deliveries whose filter took too long."""
        self._unsealed: deque[tuple[DeliveryRow, str]] = deque()
        """Deliveries that their filter wants and that cannot be sealed at present, with why."""
        self._looking = self._again = False
        self._timer: asyncio.TimerHandle | None = None
        """Of the next look, if one is planned."""
        self.closed = False
        self.wanted = any(trigger.filtered for one in registry for trigger in one.definition.triggers.values())
        """Whether there is anything to do here at all."""

    def close(self) -> None:
        """Ask no more filters; one that runs is left alone."""
        self.closed = True
        self._threads.close()

    def look(self) -> None:
        """Look for deliveries that wait for a filter of ours."""
        if self._timer is not None:
            self._timer.cancel()  # every look plans the next one itself, if it needs one
            self._timer = None
        if self.closed or not self.wanted:
            return
        if self._looking:
            self._again = True
            return
        self._looking, self._again = True, False
        now = self._clock.now()
        self._off_loop(lambda: self._read(now), self._serve)

    def _read(self, now: int) -> _FoundDeliveries:
        """Read; off the loop."""
        while self._unsealed:
            self._waiting.pass_over(*self._unsealed.popleft())
        waiting = self._waiting.read(now, _BATCH_SIZE, self._is_mine)
        if waiting:
            self._known.look()
        found: _FoundDeliveries = []
        for trigger, rows in waiting.items():
            known = self._known.get(trigger)
            mine = [row for row in rows if row.id not in self._asked]
            # In this order: what could not be sealed since this look began was put there before it was let go of.
            unsealed = {row.id for row, _ in self._unsealed.copy()}
            mine = [row for row in mine if row.id not in unsealed]
            if known is None or not mine:
                continue
            deaths = self._suspects.deaths(mine)
            for row, event in zip(mine, read_events(known, mine, self._reader, self._sealing), strict=True):
                if isinstance(event, UnreadableDelivery):
                    self._waiting.pass_over(row, event.why)
                    self._again |= self._waiting.is_full
                else:
                    found.append((known, row, event, deaths.get(row.id)))
        return found

    def _is_mine(self, trigger: str) -> bool:
        return split_trigger_name(trigger)[0] in self._registry.automations

    def _serve(self, found: Any) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._look_later()
            return
        together: list[_FilterCall] = []
        for known, row, event, deaths in found:
            if deaths == BUSY:
                self._look_later()
                continue
            self._asked.add(row.id)
            if event is None:
                self._say(decisions.decide_no_start(known.name, row.id, DeliveryState.FAILED, decisions.SOURCE_IS_GONE))
            elif deaths is None:
                self._ask(known, row, event)
            elif deaths >= MAX_DEATHS:
                note = f"its filter was asked {deaths} times, and each time the process ended"
                self._say(decisions.decide_no_start(known.name, row.id, DeliveryState.FAILED, note))
            elif deaths:
                self._alone.append((known, row, event))
                if len(self._alone) == 1:
                    self._ask_noted(list(self._alone))
            else:
                together.append((known, row, event))
        if together:
            self._ask_noted(together)
        self._look_on()

    def _look_on(self) -> None:
        """Look for what came meanwhile; later, for what cannot be read or sealed at present."""
        if self._again:
            self.look()
        elif self._waiting.is_passing_over:
            self._look_later(_UNREADABLE_RETRY_S)

    def _ask_noted(self, asking: Sequence[_FilterCall]) -> None:
        """Ask once it is written down that we do."""
        ids = tuple(row.id for _, row, _ in asking)

        def answered(result: Any) -> None:
            if isinstance(result, Exception):
                _LOG.error("that filters are asked cannot be written down; they are asked later: %s", result)
                for delivery in ids:
                    self._done_with(delivery)
                self._look_later()
            elif not self.closed:
                self._suspects.note(ids)
                for one in asking:
                    self._ask(*one)

        self._store.submit(RecordFilterCall(ids), answered)

    def _done_with(self, delivery: str, *, is_kept: bool = True) -> None:
        """Let go of a delivery. One whose verdict is not kept stays noted as asked by us, or we would wait for ourselves."""
        self._asked.discard(delivery)
        if is_kept:
            self._suspects.forget(delivery)
        if self._alone and self._alone[0][1].id == delivery:
            self._alone.popleft()
            if self._alone and not self.closed:
                self._ask_noted([self._alone[0]])

    def _ask(self, known: CachedTrigger, row: DeliveryRow, event: EventData) -> None:
        """Run the filter in a thread, from which it tells its verdict."""
        delivery = row.id
        limit: list[asyncio.TimerHandle] = []

        def begin() -> None:
            limit.append(self._loop.call_later(self.longest_s, self._give_up, known, delivery))

        def end(verdict: DecideDelivery | UnreadableDelivery) -> None:
            for handle in limit:
                handle.cancel()
            if isinstance(verdict, UnreadableDelivery):
                self._unsealed.append((row, verdict.why))
                self._done_with(delivery, is_kept=False)
                self._look_later()
            elif delivery not in self._hung:
                self._say(verdict)

        def work() -> bool:
            with contextlib.suppress(RuntimeError):  # the loop is over, and with it the process's part in this
                self._loop.call_soon_threadsafe(begin)
                verdict = self._verdict(known, row, event)
                self._loop.call_soon_threadsafe(end, verdict)
            return delivery in self._hung

        self._threads.submit(work)

    def _give_up(self, known: CachedTrigger, delivery: str) -> None:
        self._hung.add(delivery)
        self._threads.give_up_one()
        note = f"its filter did not answer within {self.longest_s:g} s"
        _LOG.error("delivery %s for %s failed: %s", delivery, known.name, note)
        self._say(decisions.decide_no_start(known.name, delivery, DeliveryState.FAILED, note))

    def _verdict(self, known: CachedTrigger, row: DeliveryRow, event: EventData) -> DecideDelivery | UnreadableDelivery:
        """Ask the filter and return what its verdict means; Unreadable = its run cannot be sealed at present."""
        fn = self._registry.get(known.definition.name).filter_of(split_trigger_name(known.name)[1])
        state, said = call_filter(fn, event)
        if state is not None:
            return decisions.decide_no_start(known.name, row.id, state, said)
        key = row.key if row.source is None else ""
        try:
            return decisions.decide_start(known, event, row.id, self._clock.now(), self._sealing, key=key)
        except SealedError as error:
            return UnreadableDelivery(error.message)

    def _say(self, verdict: DecideDelivery) -> None:
        if self.closed:
            return

        def answered(result: Any) -> None:
            failed = decisions.decide_unwritten(verdict, result)
            if failed is not None:
                self._say(failed)
                return
            is_busy = isinstance(result, Refused) and result.code == "busy"
            self._done_with(verdict.delivery, is_kept=not is_busy and not isinstance(result, Exception))
            if isinstance(result, Exception):
                _LOG.error("the verdict on delivery %s is not kept, and asked for again: %s", verdict.delivery, result)
                self._look_later()
            elif is_busy:
                self._look_later((result.retry_after_ms or 0) / 1000)
            elif self._waiting.is_full and len(self._asked) < _BATCH_SIZE // 2:
                self.look()

        self._store.submit(verdict, answered)

    def _look_later(self, after_s: float = 0.0) -> None:
        at = self._loop.time() + max(after_s, _RETRY_AFTER_S)
        if self._timer is None or at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self.look)
