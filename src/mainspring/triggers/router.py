"""The router: starts the runs of received events and run ends, and of held deliveries that are due. Any number may run at once.

It loads no user code, and each change checks the state it starts from, so that a second router finds it done. One read
runs at a time, and its commands are answered before the next. Nothing makes it poll in a tight loop: unreadable deliveries are
skipped for a while, busy triggers wait until their time, and after a store error it pauses for a second.
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
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.worker.scans import scan
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import CommandDone, DeliveryStored, Refused, StartAnswer
from mainspring.store.commands.triggers import DecideDelivery, JoinRun, ReleaseHeldDeliveries
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import UndecidedDeliveryReader, UnreadableDelivery, WaitingDelivery, read_events
from mainspring.triggers.joined_runs import JoinedRuns
from mainspring.triggers.start_from_event import build_start
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_LOG = logging.getLogger("mainspring.router")
BATCH_SIZE = 500
"""Most deliveries that are decided in one read; the rest follows in the next."""
_GROUP_BATCH_SIZE = 100
_MAX_SLEEP_MS = 5_000
_RETRY_AFTER_MS = 1_000


TriggerCommand = DecideDelivery | ReleaseHeldDeliveries | JoinRun


class RouterPlan(NamedTuple):
    """The commands of one read, when the next held delivery is due, and whether there are more deliveries."""

    commands: list[TriggerCommand]
    next_at: int | None
    more: bool


class Router:
    """Created and used in the thread of `loop`; reads outside it. `known` is shared with the intake."""

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
        self._waiting = UndecidedDeliveryReader(reader, filtered=False)
        self._timer: asyncio.TimerHandle | None = None
        self._unreadable_groups: set[tuple[str, str]] = set()
        """Groups (trigger, flow control key) that are due and cannot be read here."""
        self._busy: dict[str, int] = {}
        """Triggers for which the store accepts nothing before an instant (ms)."""
        self._reading = self._again = False
        self._open_commands = 0
        self._wait_until = 0
        self.closed = False

    def close(self) -> None:
        """Stop."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def poll(self) -> None:
        """Read the deliveries to decide now; during a read, once more after it."""
        if self.closed:
            return
        if self._reading or self._open_commands:
            self._again = True
            return
        self._reading, self._again = True, False
        now = self._clock.now()
        busy = self._busy = {trigger: until for trigger, until in self._busy.items() if until > now}
        self._off_loop(lambda: self._read(now, busy), self._serve)

    def _read(self, now: int, busy: dict[str, int]) -> RouterPlan:
        """Read and plan; outside the loop."""
        waiting = self._waiting.read(now, BATCH_SIZE, busy=busy)
        skipped = json.dumps([*busy, *self._known.unreadable])
        groups = self._reader.read(
            "list_due_held_groups", (now, skipped, _GROUP_BATCH_SIZE + len(self._unreadable_groups))
        )
        unreadable = set(self._known.unreadable)
        self._known.refresh()  # last: the trigger of each row read above was announced before
        joined_runs = JoinedRuns(self._reader, now, self._sealing, self._waiting.log_wait)
        commands: list[TriggerCommand] = []
        for trigger, rows in waiting.items():
            commands += self._decide_received(trigger, rows, joined_runs, now)
        passed, self._unreadable_groups = self._unreadable_groups, set()
        for trigger, by, _ in groups:
            command = self._release_due(trigger, by, now)
            if command is not None:
                commands.append(command)
        commands += joined_runs.complete(self._known, busy)
        ((next_at,),) = self._reader.read("find_next_held_due", (now,))
        more = not unreadable <= self._known.unreadable.keys() or self._waiting.is_full
        more |= len(groups) >= _GROUP_BATCH_SIZE + len(passed)
        return RouterPlan(commands, next_at, more)

    def _decide_received(
        self, trigger: str, rows: list[WaitingDelivery], joined_runs: JoinedRuns, now: int
    ) -> list[TriggerCommand]:
        """Return the commands for deliveries of one trigger, without those that cannot be read here."""
        known = self._known.get(trigger)
        if known is None:
            if trigger not in self._known.unreadable:
                return [
                    DecideDelivery(
                        trigger=trigger,
                        delivery=row.id,
                        state=DeliveryState.FAILED,
                        note="its trigger no longer exists",
                    )
                    for row in rows
                ]
            self._waiting.skip(rows[-1], f"its trigger is of another version: {self._known.unreadable[trigger]}")
            return []
        if isinstance(known.trigger.source, JoinedRunsSource):
            return joined_runs.gathered(known, known.trigger.source, rows)
        commands: list[TriggerCommand] = []
        for row, event in zip(rows, read_events(known, rows, self._reader, self._sealing), strict=True):
            if isinstance(event, UnreadableDelivery):
                self._waiting.skip(row, event.why)
            elif event is None:
                commands.append(
                    DecideDelivery(
                        trigger=trigger, delivery=row.id, state=DeliveryState.FAILED, note=decisions.SOURCE_MISSING
                    )
                )
            else:
                try:
                    commands.append(decisions.decide_start(known, event, row.id, now, self._sealing))
                except SealedError as error:
                    self._waiting.skip(row, error.message)
        return commands

    def _release_due(self, trigger: str, by: str, now: int) -> ReleaseHeldDeliveries | None:
        """Return the command that releases a group of held deliveries."""
        known = self._known.get(trigger)
        if known is None and trigger in self._known.unreadable:
            return None
        most = 1 if known is None else known.trigger.pace.batch or 1
        rows = [WaitingDelivery(*row) for row in self._reader.read("list_held_deliveries", (trigger, by, most))]
        if not rows:
            return None
        ids = tuple(row.id for row in rows)
        if known is None:
            return ReleaseHeldDeliveries(
                trigger=trigger,
                by=by,
                deliveries=ids,
                pace=FlowControl(),
                start=None,
                note="its trigger no longer exists",
            )
        events = read_events(known, rows, self._reader, self._sealing)
        unreadable = [event for event in events if isinstance(event, UnreadableDelivery)]
        if unreadable:
            self._unreadable_groups.add((trigger, by))
            self._waiting.skip(rows[0], unreadable[0].why)
            return None
        try:
            start, note = self._start(known, [event for event in events if isinstance(event, dict)], ids[0], now)
        except SealedError as error:
            self._unreadable_groups.add((trigger, by))
            self._waiting.skip(rows[0], error.message)
            return None
        return ReleaseHeldDeliveries(
            trigger=trigger, by=by, deliveries=ids, pace=known.trigger.pace, start=start, note=note
        )

    def _start(
        self, known: CachedTrigger, events: list[dict[str, Any]], delivery: str, now: int
    ) -> tuple[Any, str | None]:
        if not events:
            return None, decisions.SOURCE_MISSING
        try:
            return build_start(known, events, delivery, now, self._sealing), None
        except SealedError:
            raise
        except MainspringError as error:
            return None, error.message
        except Exception as error:  # noqa: BLE001 - a defect of Mainspring: it must not block the others for ever
            return None, decisions.no_run_note(error)

    def _serve(self, found: Any) -> None:
        self._reading = False
        if self.closed:
            return
        now = self._clock.now()
        if isinstance(found, Exception):
            _LOG.error("the deliveries cannot be read: %s", found)
            self._sleep(_RETRY_AFTER_MS)
            return
        self._again |= found.more
        self._wait_until = min(found.next_at or now + _MAX_SLEEP_MS, now + _MAX_SLEEP_MS, *self._busy.values())
        if not found.commands:
            self._wait_for_next()
            return
        self._open_commands = len(found.commands)
        for command in found.commands:
            self._store.submit(command, partial(self._answered, command))

    def _answered(
        self, command: TriggerCommand, result: StartAnswer | DeliveryStored | CommandDone | Refused | BaseException
    ) -> None:
        failed = decisions.decide_unwritten(command, result)
        if failed is not None:
            _LOG.error("delivery %s for %s fails: %s", failed.delivery, failed.trigger, result)
            self._store.submit(failed, partial(self._answered, failed))
            return
        self._open_commands -= 1
        trigger, now = command.trigger, self._clock.now()
        if isinstance(result, Exception):
            _LOG.error("a delivery for %s was not decided: %s", trigger, result)
            self._defer_trigger(trigger, now + _RETRY_AFTER_MS)
        elif isinstance(result, Refused) and result.code == "busy":
            self._defer_trigger(trigger, now + (result.retry_after_ms or _RETRY_AFTER_MS))
        elif isinstance(result, DeliveryStored):
            self._again |= result.state is DeliveryState.HELD  # its due instant is not known here
        elif not isinstance(result, Refused):
            self._again = True  # a group was released or deferred: another one is due next
        if not self._open_commands and not self.closed:
            self._wait_for_next()

    def _defer_trigger(self, trigger: str, until: int) -> None:
        self._busy[trigger] = max(until, self._busy.get(trigger, 0))
        self._wait_until = min(self._wait_until, until)

    def _wait_for_next(self) -> None:
        if self._again:
            self.poll()
        else:
            self._sleep(self._wait_until - self._clock.now())

    def _sleep(self, ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        poll = self.poll if ms < _MAX_SLEEP_MS else self._scan
        self._timer = self._loop.call_later(min(max(ms, 1), _MAX_SLEEP_MS) / 1000, poll)

    @scan
    def _scan(self) -> None:
        self.poll()
