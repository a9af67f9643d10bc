"""The router: starts the runs of events and ends that were heard, and of deliveries whose time has come. Any number may run at once.

It needs nobody's code, and each move is guarded by the state it starts from, so whoever is second finds that it was done. One look is
under way at a time, and its commands are answered before the next. Nothing makes it look at once and for ever: what cannot be read is
passed over, what was told to wait is left alone until then, and a store in trouble is asked again after a second.
"""

import asyncio
import json
import logging
from functools import partial
from typing import Any, NamedTuple

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.store.commands.triggers import ReleaseHeldDeliveries
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import DeliveryRow, UnreadableDelivery, read_events
from mainspring.triggers.joined_runs import JoinedRuns
from mainspring.triggers.start_from_event import build_start
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache
from mainspring.triggers.undecided_deliveries import UndecidedDeliveries

_LOG = logging.getLogger("mainspring.router")
BATCH_SIZE = 500
"""Deliveries that are decided on in one look; the rest follows in the next."""
_GROUP_BATCH_SIZE = 100
_MAX_SLEEP_MS = 5_000
_RETRY_AFTER_MS = 1_000


class RouterPlan(NamedTuple):
    """What one look found to do, when the next held delivery is due, and whether there was more than one look takes."""

    commands: list[Any]
    next_at: int | None
    more: bool


class Router:
    """Made and used in `loop`'s thread; reads off it. `known` is shared with the doors."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reader: StoreReader,
        known: TriggerCache,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._known = known
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._waiting = UndecidedDeliveries(reader, filtered=False)
        self._timer: asyncio.TimerHandle | None = None
        self._passed: set[tuple[str, str]] = set()
        """Groups (trigger, key of its pace) that are due and cannot be read here."""
        self._busy: dict[str, int] = {}
        """Triggers of which the store takes nothing on before an instant (ms)."""
        self._looking = self._again = False
        self._open = 0
        self._rest_until = 0
        self.closed = False

    def close(self) -> None:
        """Decide no more."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Look for what is to be decided now; while a look is under way, once more after it."""
        if self.closed:
            return
        if self._looking or self._open:
            self._again = True
            return
        self._looking, self._again = True, False
        now = self._clock.now()
        busy = self._busy = {trigger: until for trigger, until in self._busy.items() if until > now}
        self._off_loop(lambda: self._read(now, busy), self._serve)

    def _read(self, now: int, busy: dict[str, int]) -> RouterPlan:
        """Look; off the loop."""
        waiting = self._waiting.read(now, BATCH_SIZE, busy=busy)
        skipped = json.dumps([*busy, *self._known.unreadable])
        groups = self._reader.read("list_due_held_groups", (now, skipped, _GROUP_BATCH_SIZE + len(self._passed)))
        unreadable = set(self._known.unreadable)
        self._known.look()  # last: whatever was read above is of a trigger that was announced before
        gathering = JoinedRuns(self._reader, now, self._sealing, self._waiting.tell)
        commands: list[Any] = []
        for trigger, rows in waiting.items():
            commands += self._received(trigger, rows, gathering, now)
        passed, self._passed = self._passed, set()
        for trigger, by, _ in groups:
            command = self._due(trigger, by, now)
            if command is not None:
                commands.append(command)
        commands += gathering.complete(self._known, busy)
        ((next_at,),) = self._reader.read("find_next_held_due", (now,))
        more = not unreadable <= self._known.unreadable.keys() or self._waiting.is_full
        more |= len(groups) >= _GROUP_BATCH_SIZE + len(passed)
        return RouterPlan(commands, next_at, more)

    def _received(self, trigger: str, rows: list[DeliveryRow], gathering: JoinedRuns, now: int) -> list[Any]:
        """Return the commands for deliveries of one trigger; none for what cannot be read here."""
        known = self._known.get(trigger)
        if known is None:
            if trigger not in self._known.unreadable:
                return [
                    decisions.decide_no_start(trigger, row.id, DeliveryState.FAILED, "its trigger is gone")
                    for row in rows
                ]
            self._waiting.pass_over(rows[-1], f"its trigger is of another version: {self._known.unreadable[trigger]}")
            return []
        if isinstance(known.trigger.source, JoinedRunsSource):
            return gathering.gathered(known, known.trigger.source, rows)
        commands: list[Any] = []
        for row, event in zip(rows, read_events(known, rows, self._reader, self._sealing), strict=True):
            if isinstance(event, UnreadableDelivery):
                self._waiting.pass_over(row, event.why)
            elif event is None:
                commands.append(
                    decisions.decide_no_start(trigger, row.id, DeliveryState.FAILED, decisions.SOURCE_IS_GONE)
                )
            else:
                try:
                    commands.append(decisions.decide_start(known, event, row.id, now, self._sealing))
                except SealedError as error:
                    self._waiting.pass_over(row, error.message)
        return commands

    def _due(self, trigger: str, by: str, now: int) -> ReleaseHeldDeliveries | None:
        """Return the command that lets a group of held deliveries go."""
        known = self._known.get(trigger)
        if known is None and trigger in self._known.unreadable:
            return None
        most = 1 if known is None else known.trigger.pace.batch or 1
        rows = [DeliveryRow(*row) for row in self._reader.read("list_held_deliveries", (trigger, by, most))]
        if not rows:
            return None
        ids = tuple(row.id for row in rows)
        if known is None:
            return ReleaseHeldDeliveries(
                trigger=trigger, by=by, deliveries=ids, pace=FlowControl(), start=None, note="its trigger is gone"
            )
        events = read_events(known, rows, self._reader, self._sealing)
        unreadable = [event for event in events if isinstance(event, UnreadableDelivery)]
        if unreadable:
            self._passed.add((trigger, by))
            self._waiting.pass_over(rows[0], unreadable[0].why)
            return None
        try:
            start, note = self._start(known, [event for event in events if isinstance(event, dict)], ids[0], now)
        except SealedError as error:
            self._passed.add((trigger, by))
            self._waiting.pass_over(rows[0], error.message)
            return None
        return ReleaseHeldDeliveries(
            trigger=trigger, by=by, deliveries=ids, pace=known.trigger.pace, start=start, note=note
        )

    def _start(
        self, known: CachedTrigger, events: list[dict[str, Any]], delivery: str, now: int
    ) -> tuple[Any, str | None]:
        if not events:
            return None, decisions.SOURCE_IS_GONE
        try:
            return build_start(known, events, delivery, now, self._sealing), None
        except SealedError:
            raise
        except MainspringError as error:
            return None, error.message
        except Exception as error:  # noqa: BLE001 - a fault of ours: it must not keep the others waiting for ever
            return None, decisions.no_run_note(error)

    def _serve(self, found: Any) -> None:
        self._looking = False
        if self.closed:
            return
        now = self._clock.now()
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._sleep(_RETRY_AFTER_MS)
            return
        self._again |= found.more
        self._rest_until = min(found.next_at or now + _MAX_SLEEP_MS, now + _MAX_SLEEP_MS, *self._busy.values())
        if not found.commands:
            self._rest()
            return
        self._open = len(found.commands)
        for command in found.commands:
            self._store.submit(command, partial(self._answered, command))

    def _answered(self, command: Any, result: Any) -> None:
        left = decisions.decide_unwritten(command, result)
        if left is not None:
            _LOG.error("delivery %s for %s fails: %s", left.delivery, left.trigger, result)
            self._store.submit(left, partial(self._answered, left))
            return
        self._open -= 1
        trigger, now = command.trigger, self._clock.now()
        if isinstance(result, Exception):
            _LOG.error("a delivery for %s was not decided: %s", trigger, result)
            self._set_aside(trigger, now + _RETRY_AFTER_MS)
        elif isinstance(result, Refused) and result.code == "busy":
            self._set_aside(trigger, now + (result.retry_after_ms or _RETRY_AFTER_MS))
        elif isinstance(result, DeliveryStored):
            self._again |= result.state is DeliveryState.HELD  # when it is due is not known here
        elif not isinstance(result, Refused):
            self._again = True  # a group was let go, or put off: what is due next is another one
        if not self._open and not self.closed:
            self._rest()

    def _set_aside(self, trigger: str, until: int) -> None:
        self._busy[trigger] = max(until, self._busy.get(trigger, 0))
        self._rest_until = min(self._rest_until, until)

    def _rest(self) -> None:
        if self._again:
            self.look()
        else:
            self._sleep(self._rest_until - self._clock.now())

    def _sleep(self, ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(min(max(ms, 1), _MAX_SLEEP_MS) / 1000, self.look)
