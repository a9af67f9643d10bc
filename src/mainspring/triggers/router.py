"""The router: starts the runs of events and ends that were heard, and of deliveries whose time has come. Any number may run at once.

It needs nobody's code, and each move is guarded by the state it starts from, so whoever is second finds that it was done.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.domain.pace import Pace
from mainspring.domain.sealing import SealedError, Sealing
from mainspring.domain.states import DeliveryState
from mainspring.store.base import Reader, Store
from mainspring.store.commands.results import Started
from mainspring.store.commands.triggers import LetGo, TakenIn
from mainspring.triggers import deciding, gathering
from mainspring.triggers.delivered import Delivered, event_in
from mainspring.triggers.known import KnownTrigger, KnownTriggers
from mainspring.triggers.making import start_of

_LOG = logging.getLogger("mainspring.router")
AT_ONCE = 500
"""Deliveries that are decided on in one look; the rest follows in the next."""
_GROUPS_AT_ONCE = 100
_LONGEST_SLEEP_S = 5.0
_AFTER_TROUBLE_S = 1.0

OffLoop = Callable[[Callable[[], Any], Callable[[Any], None]], None]


class Look(NamedTuple):
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
        reader: Reader,
        known: KnownTriggers,
        clock: Clock,
        sealing: Sealing,
        off_loop: OffLoop,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._known = known
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._timer: asyncio.TimerHandle | None = None
        self._passed: dict[str, str] = {}
        """Deliveries that cannot be read here, with the reason that was told; others go before them."""
        self._looking = self._again = False
        self._open = 0
        self._next_at: int | None = None
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
        self._off_loop(lambda: self._read(now), self._serve)

    def _read(self, now: int) -> Look:
        """Look; off the loop."""
        self._known.look()
        limit = AT_ONCE + len(self._passed)
        rows = [Delivered(*row) for row in self._reader.read("list_received", (0, 0, limit))]
        commands = [command for row in rows if (command := self._received(row, now)) is not None]
        groups = self._reader.read("list_due_groups", (now, _GROUPS_AT_ONCE))
        for trigger, by, _ in groups:
            command = self._due(trigger, by, now)
            if command is not None:
                commands.append(command)
        commands += gathering.complete(self._reader, self._known, now, self._sealing)
        rows_next = self._reader.read("next_held")
        more = len(rows) >= limit or len(groups) >= _GROUPS_AT_ONCE
        return Look(commands, rows_next[0][0] if rows_next else None, more)

    def _received(self, row: Delivered, now: int) -> Any:
        """Return the command for a delivery that was received; None if it cannot be read here."""
        known = self._known.get(row.trigger)
        if known is None:
            if row.trigger in self._known.unreadable:
                self._pass(row.id, f"trigger {row.trigger} is of another version")
                return None
            return deciding.left(row.trigger, row.id, DeliveryState.FAILED, "its trigger is gone")
        try:
            event = event_in(known, row, self._reader, self._sealing)
        except SealedError as error:
            self._pass(row.id, error.message)
            return None
        if event is None:
            return deciding.left(row.trigger, row.id, DeliveryState.FAILED, "what it tells of is gone")
        if known.trigger.kind == "runs":
            return gathering.gathered(self._reader, known, row, now, self._sealing)
        return deciding.started(known, event, row.id, now, self._sealing)

    def _due(self, trigger: str, by: str, now: int) -> LetGo | None:
        """Return the command that lets a group of held deliveries go."""
        known = self._known.get(trigger)
        most = 1 if known is None else known.trigger.pace.batch or 1
        rows = [Delivered(*row) for row in self._reader.read("list_held", (trigger, by, most))]
        if not rows:
            return None
        ids = tuple(row.id for row in rows)
        try:
            start, note = self._start(known, rows, now)
        except SealedError as error:
            self._pass(ids[0], error.message)
            return None
        pace = known.trigger.pace if known is not None else Pace()
        return LetGo(trigger=trigger, by=by, deliveries=ids, pace=pace, start=start, note=note)

    def _start(self, known: KnownTrigger | None, rows: list[Delivered], now: int) -> tuple[Any, str | None]:
        if known is None:
            return None, "its trigger is gone"
        events = [event_in(known, row, self._reader, self._sealing) for row in rows]
        there = [event for event in events if event is not None]
        if not there:
            return None, "what it tells of is gone"
        try:
            return start_of(known, there, rows[0].id, now, self._sealing), None
        except SealedError:
            raise
        except MainspringError as error:
            return None, error.message

    def _pass(self, delivery: str, why: str) -> None:
        if self._passed.get(delivery) != why:
            self._passed[delivery] = why
            _LOG.error("delivery %s waits: %s", delivery, why)

    def _serve(self, found: Any) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._sleep(_AFTER_TROUBLE_S)
            return
        for command in found.commands:
            self._open += 1
            self._store.submit(command, self._answered)
        self._again |= found.more
        if not self._open:
            self._rest(found.next_at)
        else:
            self._next_at = found.next_at

    def _answered(self, result: Any) -> None:
        self._open -= 1
        if isinstance(result, Exception):
            _LOG.error("a delivery was not decided: %s", result)
        # What was just let go may have made the next of its group due; Done = nothing started, so there is nothing to hurry for.
        self._again |= isinstance(result, TakenIn | Started)
        if not self._open and not self.closed:
            self._rest(self._next_at)

    def _rest(self, next_at: int | None) -> None:
        if self._again:
            self._again = False
            self.look()
            return
        delay = _LONGEST_SLEEP_S if next_at is None else (next_at - self._clock.now()) / 1000
        self._sleep(delay)

    def _sleep(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(min(max(delay, 0.001), _LONGEST_SLEEP_S), self.look)
