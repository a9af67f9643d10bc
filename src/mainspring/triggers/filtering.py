"""Filters of users run here, in a worker, on deliveries that are stored: never in the process that took them in.

A filter is asked at least once for a delivery, and may be asked in several workers: it says yes or no and does nothing else.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.domain.event import Event
from mainspring.domain.sealing import SealedError, Sealing
from mainspring.domain.states import DeliveryState
from mainspring.domain.text import escape
from mainspring.engine.registry import Registry
from mainspring.store.base import Reader, Store
from mainspring.store.commands.triggers import Decide
from mainspring.triggers import deciding
from mainspring.triggers.delivered import Delivered, event_in
from mainspring.triggers.known import KnownTrigger, KnownTriggers
from mainspring.triggers.making import Event as EventData

_LOG = logging.getLogger("mainspring.filters")
_AT_ONCE = 100
_THREADS = 4
_AGAIN_S = 1.0
_LONGEST_NOTE = 300

OffLoop = Callable[[Callable[[], Any], Callable[[Any], None]], None]


class Filtering:
    """Made and used in `loop`'s thread. It answers for the triggers of the automations that are loaded here, and no others."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reader: Reader,
        registry: Registry,
        clock: Clock,
        sealing: Sealing,
        off_loop: OffLoop,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._registry = registry
        self._known = KnownTriggers(reader)
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="filter")
        self._asked: set[str] = set()
        """Deliveries whose filter runs here, or whose verdict is on its way."""
        self._looking = False
        self._wanted = False
        self._after = 0
        """Deliveries up to this one (seq) are of others; looked at once more from the beginning when nothing follows."""
        self.closed = False
        self.wanted = any(trigger.filtered for one in registry for trigger in one.definition.triggers.values())
        """Whether there is anything to do here at all."""

    def close(self) -> None:
        """Ask no more filters; one that runs is left alone."""
        self.closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def look(self) -> None:
        """Look for deliveries that wait for a filter of ours."""
        if self.closed or not self.wanted:
            return
        if self._looking:
            self._wanted = True
            return
        self._looking = True
        self._off_loop(self._read, self._serve)

    def _read(self) -> list[tuple[KnownTrigger, Delivered, EventData | None]]:
        """Read; off the loop."""
        rows = [Delivered(*row) for row in self._reader.read("list_received", (1, self._after, _AT_ONCE))]
        if rows:
            self._known.look()
        self._after = rows[-1].seq if len(rows) == _AT_ONCE else 0
        self._wanted |= len(rows) == _AT_ONCE
        found: list[tuple[KnownTrigger, Delivered, EventData | None]] = []
        for row in rows:
            known = self._known.get(row.trigger)
            if row.id in self._asked or known is None or known.definition.name not in self._registry.automations:
                continue
            try:
                found.append((known, row, event_in(known, row, self._reader, self._sealing)))
            except SealedError as error:
                _LOG.error("delivery %s waits for its filter: %s", row.id, error.message)
        return found

    def _serve(self, found: Any) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._loop.call_later(_AGAIN_S, self.look)
            return
        for known, row, event in found:
            self._asked.add(row.id)
            if event is None:
                self._say(deciding.left(known.name, row.id, DeliveryState.FAILED, "what it tells of is gone"))
            else:
                asking = self._loop.run_in_executor(self._pool, self._ask, known, row.id, event)
                asking.add_done_callback(self._asked_it)
        if self._wanted:
            self._wanted = False
            self.look()

    def _ask(self, known: KnownTrigger, delivery: str, event: EventData) -> Decide:
        """Run the filter and return what its verdict means; in a thread."""
        now = self._clock.now()
        fn = self._registry.get(known.definition.name).filter_of(known.name.partition("/")[2])
        if fn is None:
            return deciding.left(known.name, delivery, DeliveryState.FAILED, "its filter is not in the code any more")
        try:
            verdict = fn(msgspec.convert(event, Event))
            if inspect.iscoroutine(verdict):
                verdict = asyncio.run(verdict)
        except MainspringError as error:
            return deciding.left(known.name, delivery, DeliveryState.FAILED, f"its filter raised: {error.message}")
        except Exception as error:  # noqa: BLE001  whatever a filter raises is its verdict
            said = escape(f"its filter raised {type(error).__name__}: {error}", _LONGEST_NOTE)
            return deciding.left(known.name, delivery, DeliveryState.FAILED, said)
        if not verdict:
            return deciding.left(known.name, delivery, DeliveryState.FILTERED, "its filter said no")
        return deciding.started(known, event, delivery, now, self._sealing)

    def _asked_it(self, asking: asyncio.Future[Decide]) -> None:
        if not asking.cancelled() and not self.closed:
            self._say(asking.result())

    def _say(self, verdict: Decide) -> None:
        def answered(result: Any) -> None:
            self._asked.discard(verdict.delivery)
            if isinstance(result, Exception):
                _LOG.error("the verdict on delivery %s is not kept: %s", verdict.delivery, result)

        self._store.submit(verdict, answered)
