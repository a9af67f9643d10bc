"""The runner of users' filters, in a worker, for stored deliveries: never in the process that accepted them.

A filter is called at least once for a delivery, maybe in several workers: it returns yes or no and does nothing else. If it takes
too long, its delivery fails and its thread is replaced. A delivery whose filter ended several processes fails too (see `PoisonDeliveries`).
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.errors import SealedError
from mainspring.domain.states import DeliveryState, SessionState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.attempts.thread_pool import DaemonThreadPool
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import CommandDone, DeliveryStored, Refused
from mainspring.store.commands.triggers import DecideDelivery, RecordFilterCall
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import UndecidedDeliveryReader, UnreadableDelivery, WaitingDelivery, read_events
from mainspring.triggers.filter_call import call_filter
from mainspring.triggers.start_from_event import EventData
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_LOG = logging.getLogger("mainspring.filters")
_BATCH_SIZE = 100
_THREADS = 4
_RETRY_AFTER_S = 1.0
_UNREADABLE_RETRY_S = 5.0

_FilterCall = tuple[CachedTrigger, WaitingDelivery, EventData]
_FoundDeliveries = list[tuple[CachedTrigger, WaitingDelivery, EventData | None, int | None]]
"""The last: how many processes ended during the call, for a delivery that is older than this process."""

MAX_DEATHS = 3
"""Most processes that may end while they call a filter for one delivery."""
BUSY = -1
"""A live process is calling the filter."""
_LIVE = (SessionState.ALIVE, SessionState.DRAINING)


class PoisonDeliveries:
    """Counts deaths by delivery; used by one reader at a time.

    For deliveries that arrive while this process runs, filters are called at once, without a record. Calls for older deliveries are
    recorded first. If the callers of a delivery died, its filter is called alone, so that no other delivery is blamed, and after some
    deaths not again.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._newest_at_start: int | None = None
        self._noted: set[str] = set()

    def deaths(self, rows: Sequence[WaitingDelivery]) -> dict[str, int]:
        """Return, by delivery, how many processes ended during the call, or BUSY; without deliveries that are newer than this process."""
        if self._newest_at_start is None:
            ((self._newest_at_start,),) = self._reader.read("find_newest_delivery_number")
        older = [row.id for row in rows if row.seq <= self._newest_at_start and row.id not in self._noted]
        if not older:
            return {}
        rows_of_callers = self._reader.read("list_filter_callers", (json.dumps(older),))
        callers = {id: {int(session) for session in sessions.split(",")} for id, sessions in rows_of_callers}
        all_sessions = sorted(set().union(*callers.values()))
        states: dict[int, str] = (
            dict(self._reader.read("list_session_states", (json.dumps(all_sessions),))) if all_sessions else {}
        )
        return {id: _count_deaths([states.get(session) for session in callers.get(id, ())]) for id in older}

    def note(self, deliveries: Sequence[str]) -> None:
        """Note that the calls for these deliveries are recorded for this process."""
        self._noted.update(deliveries)

    def forget(self, delivery: str) -> None:
        """Drop a delivery whose filter has answered."""
        self._noted.discard(delivery)


def _count_deaths(states: Sequence[str | None]) -> int:
    if any(state in _LIVE for state in states):
        return BUSY
    return sum(state != SessionState.CLOSED for state in states)


class FilterRunner:
    """Created and used in the thread of `loop`. It serves only triggers of automations that are loaded here."""

    longest_s = 30.0
    """How long a filter may run."""

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
        self._waiting = UndecidedDeliveryReader(reader, filtered=True)
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._threads = DaemonThreadPool(_THREADS)
        self._called: set[str] = set()
        """Deliveries whose filter runs here, or whose decision is being committed."""
        self._poison = PoisonDeliveries(reader)
        self._single: deque[_FilterCall] = deque()
        """Deliveries whose filters are called one at a time; the first is running."""
        self._hung: set[str] = set()
        """Deliveries whose filter took too long."""
        self._unsealed: deque[tuple[WaitingDelivery, str]] = deque()
        """Deliveries that passed their filter and cannot be sealed now, with the reason."""
        self._reading = self._again = False
        self._timer: asyncio.TimerHandle | None = None
        """Timer of the next read, if one is planned."""
        self.closed = False
        self.has_filters = any(
            trigger.filtered for automation in registry for trigger in automation.definition.triggers.values()
        )
        """Whether any loaded automation has a filter."""

    def close(self) -> None:
        """Call no more filters; a running one is left alone."""
        self.closed = True
        self._threads.close()

    def poll(self) -> None:
        """Read deliveries that wait for a filter that is loaded here."""
        if self._timer is not None:
            self._timer.cancel()  # every read plans the next one itself, if needed
            self._timer = None
        if self.closed or not self.has_filters:
            return
        if self._reading:
            self._again = True
            return
        self._reading, self._again = True, False
        now = self._clock.now()
        self._off_loop(lambda: self._read(now), self._serve)

    def _read(self, now: int) -> _FoundDeliveries:
        """Read the deliveries; outside the loop."""
        while self._unsealed:
            self._waiting.skip(*self._unsealed.popleft())
        waiting = self._waiting.read(now, _BATCH_SIZE, self._is_loaded_here)
        if waiting:
            self._known.refresh()
        found: _FoundDeliveries = []
        for trigger, rows in waiting.items():
            known = self._known.get(trigger)
            new_rows = [row for row in rows if row.id not in self._called]
            # In this order: a delivery that could not be sealed since this read started was added there before it was released.
            unsealed = {row.id for row, _ in self._unsealed.copy()}
            new_rows = [row for row in new_rows if row.id not in unsealed]
            if known is None or not new_rows:
                continue
            deaths = self._poison.deaths(new_rows)
            for row, event in zip(new_rows, read_events(known, new_rows, self._reader, self._sealing), strict=True):
                if isinstance(event, UnreadableDelivery):
                    self._waiting.skip(row, event.why)
                    self._again |= self._waiting.is_full
                else:
                    found.append((known, row, event, deaths.get(row.id)))
        return found

    def _is_loaded_here(self, trigger: str) -> bool:
        return split_trigger_name(trigger)[0] in self._registry.names

    def _serve(self, found: Any) -> None:
        self._reading = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._read_later()
            return
        batch: list[_FilterCall] = []
        for known, row, event, deaths in found:
            if deaths == BUSY:
                self._read_later()
                continue
            self._called.add(row.id)
            if event is None:
                self._submit(
                    DecideDelivery(
                        trigger=known.name, delivery=row.id, state=DeliveryState.FAILED, note=decisions.SOURCE_MISSING
                    )
                )
            elif deaths is None:
                self._call_filter(known, row, event)
            elif deaths >= MAX_DEATHS:
                note = f"its filter was called {deaths} times, and each time the process ended"
                self._submit(DecideDelivery(trigger=known.name, delivery=row.id, state=DeliveryState.FAILED, note=note))
            elif deaths:
                self._single.append((known, row, event))
                if len(self._single) == 1:
                    self._call_after_record(list(self._single))
            else:
                batch.append((known, row, event))
        if batch:
            self._call_after_record(batch)
        self._read_next()

    def _read_next(self) -> None:
        """Read deliveries that arrived meanwhile; later, those that cannot be read or sealed now."""
        if self._again:
            self.poll()
        elif self._waiting.has_skipped:
            self._read_later(_UNREADABLE_RETRY_S)

    def _call_after_record(self, calls: Sequence[_FilterCall]) -> None:
        """Call filters once the calls are recorded."""
        ids = tuple(row.id for _, row, _ in calls)

        def answered(result: CommandDone | BaseException) -> None:
            if isinstance(result, Exception):
                _LOG.error("calls of filters cannot be recorded; they are called later: %s", result)
                for delivery in ids:
                    self._release(delivery)
                self._read_later()
            elif not self.closed:
                self._poison.note(ids)
                for call in calls:
                    self._call_filter(*call)

        self._store.submit(RecordFilterCall(ids), answered)

    def _release(self, delivery: str, *, is_stored: bool = True) -> None:
        """Release a delivery. If its decision is not stored, its call stays recorded, or this process would wait for itself."""
        self._called.discard(delivery)
        if is_stored:
            self._poison.forget(delivery)
        if self._single and self._single[0][1].id == delivery:
            self._single.popleft()
            if self._single and not self.closed:
                self._call_after_record([self._single[0]])

    def _call_filter(self, known: CachedTrigger, row: WaitingDelivery, event: EventData) -> None:
        """Run the filter in a thread, which reports the decision."""
        delivery = row.id
        limit: list[asyncio.TimerHandle] = []

        def start_timer() -> None:
            limit.append(self._loop.call_later(self.longest_s, self._time_out, known, delivery))

        def end(decision: DecideDelivery | UnreadableDelivery) -> None:
            for handle in limit:
                handle.cancel()
            if isinstance(decision, UnreadableDelivery):
                self._unsealed.append((row, decision.why))
                self._release(delivery, is_stored=False)
                self._read_later()
            elif delivery not in self._hung:
                self._submit(decision)

        def work() -> bool:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so this process no longer serves filters
                self._loop.call_soon_threadsafe(start_timer)
                decision = self._decide(known, row, event)
                self._loop.call_soon_threadsafe(end, decision)
            return delivery in self._hung

        self._threads.submit(work)

    def _time_out(self, known: CachedTrigger, delivery: str) -> None:
        self._hung.add(delivery)
        self._threads.replace_hung_thread()
        note = f"its filter did not answer within {self.longest_s:g} s"
        _LOG.error("delivery %s for %s failed: %s", delivery, known.name, note)
        self._submit(DecideDelivery(trigger=known.name, delivery=delivery, state=DeliveryState.FAILED, note=note))

    def _decide(
        self, known: CachedTrigger, row: WaitingDelivery, event: EventData
    ) -> DecideDelivery | UnreadableDelivery:
        """Call the filter and return the decision; UnreadableDelivery = its run cannot be sealed now."""
        fn = self._registry.get(known.definition.name, known.definition.version).filter_of(
            split_trigger_name(known.name)[1]
        )
        state, note = call_filter(fn, event)
        if state is not None:
            return DecideDelivery(trigger=known.name, delivery=row.id, state=state, note=note)
        key = row.key if row.source is None else ""
        try:
            return decisions.decide_start(known, event, row.id, self._clock.now(), self._sealing, key=key)
        except SealedError as error:
            return UnreadableDelivery(error.message)

    def _submit(self, decision: DecideDelivery) -> None:
        if self.closed:
            return

        def answered(result: DeliveryStored | Refused | BaseException) -> None:
            failed = decisions.decide_unwritten(decision, result)
            if failed is not None:
                self._submit(failed)
                return
            busy = result if isinstance(result, Refused) and result.code == "busy" else None
            self._release(decision.delivery, is_stored=busy is None and not isinstance(result, Exception))
            if isinstance(result, Exception):
                _LOG.error(
                    "the result of the filter for delivery %s is not saved, and it is called again: %s",
                    decision.delivery,
                    result,
                )
                self._read_later()
            elif busy is not None:
                self._read_later((busy.retry_after_ms or 0) / 1000)
            elif self._waiting.is_full and len(self._called) < _BATCH_SIZE // 2:
                self.poll()

        self._store.submit(decision, answered)

    def _read_later(self, after_s: float = 0.0) -> None:
        at = self._loop.time() + max(after_s, _RETRY_AFTER_S)
        if self._timer is None or at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self.poll)
