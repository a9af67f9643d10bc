"""The scheduler: makes the runs of due slots. Any number may run at once, for a slot is one row.

A slot's run, the slot's row and the next due time are one commit. What was missed while nobody scheduled is decided
by the definition's `misfire`: `last` (default) runs the newest, `none` runs nothing that is late, `all` runs each;
slots that are not run get a row that says so. `overlap` decides what a slot does while the last run goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from mainspring.domain.call import encode_call
from mainspring.domain.clock import Clock
from mainspring.domain.codec import encode
from mainspring.domain.ids import derived_id
from mainspring.domain.schedule import Schedule
from mainspring.domain.sealing import Sealing
from mainspring.engine.automation import Automation
from mainspring.engine.registry import Registry
from mainspring.engine.starting import StartOptions, start_command
from mainspring.store.base import DueSchedule, EngineReads, Store
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.runs import CancelRun, SlotLink

_LOG = logging.getLogger("mainspring.scheduler")
LATE_MS = 60_000
"""A slot that is older than this was missed: nobody was there to make it."""
MOST_AT_ONCE = 100
"""Slots of one schedule that are made or recorded in one pass; the rest follows in the next."""
_LONGEST_SLEEP_S = 60.0

OffLoop = Callable[[Callable[[], Any], Callable[[Any], None]], None]


class Scheduler:
    """Made and used in `loop`'s thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reads: EngineReads,
        registry: Registry,
        clock: Clock,
        sealing: Sealing,
        off_loop: OffLoop,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reads = reads
        self._registry = registry
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False
        self._open = 0
        self.closed = False

    def start(self) -> None:
        """Begin to make slots."""
        self.look()

    def close(self) -> None:
        """Make no more."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Look for due slots now."""
        if not self.closed and not self._looking:
            self._looking = True
            now = self._clock.now()
            self._off_loop(lambda: self._read(now), lambda found: self._serve(found, now))

    def _read(self, now: int) -> tuple[list[tuple[DueSchedule, list[str]]], int | None]:
        due = self._reads.due_schedules(now)
        return [(d, self._reads.unfinished(d.automation)) for d in due], self._reads.next_slot_at()

    def _serve(self, found: Any, now: int) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the schedules cannot be read: %s", found)
            self._sleep(now + 1_000)
            return
        due, next_at = found
        for schedule, unfinished in due:
            try:
                self._make(schedule, unfinished, now)
            except Exception:  # noqa: BLE001  one schedule must not stop the others
                _LOG.exception("schedule %s: its slot cannot be made", schedule.name)
        if not self._open:
            self._sleep(next_at if not due else now + 1_000)

    def _sleep(self, until_at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = _LONGEST_SLEEP_S if until_at is None else (until_at - self._clock.now()) / 1000
        self._timer = self._loop.call_later(min(max(delay, 0.001), _LONGEST_SLEEP_S), self.look)

    def _make(self, due: DueSchedule, unfinished: list[str], now: int) -> None:
        if due.automation not in self._registry.automations:
            return  # another worker has it; if none has, the watcher says so
        automation = self._registry.get(due.automation)
        schedule = Schedule.from_data(msgspec.json.decode(due.spec))
        slots = [due.slot_at, *schedule.slots_between(due.slot_at, now + 1, MOST_AT_ONCE)]
        chosen = chosen_slots(slots, now, automation.definition.option("misfire"))
        overlap = automation.definition.option("overlap")
        for slot_at in slots:
            verdict, note = "run", None
            if slot_at not in chosen:
                verdict, note = "missed", "nobody scheduled when it was due"
            elif unfinished and overlap == "skip":
                verdict, note = "skipped", f"run {unfinished[0]} still goes on"
            elif unfinished and overlap == "replace":
                for run in unfinished:
                    self._submit(CancelRun(run, f"replaced:{due.name}:{slot_at}", "a newer slot replaces it"))
            self._submit(self._slot(automation, schedule, due, slot_at, verdict, note, overlap))
            if verdict == "run":
                unfinished = unfinished or [f"for slot {slot_at}"]

    def _slot(
        self,
        automation: Automation,
        schedule: Schedule,
        due: DueSchedule,
        slot_at: int,
        verdict: str,
        note: str | None,
        overlap: str,
    ) -> MakeSlot:
        start = None
        if verdict == "run":
            signature = automation.signature
            data = (
                encode({})
                if signature is None
                else encode_call(signature, (), {}, automation.name, limit=self._sealing.limit)
            )
            start = start_command(
                automation.definition,
                data,
                run=derived_id("r", slot_at, due.name, str(slot_at)),
                now_at=self._clock.now(),
                trigger=f"schedule {due.name}",
                options=StartOptions(key=f"{due.name}@{slot_at}"),
                slot=SlotLink(due.name, slot_at),
                sealing=self._sealing,
            )
            if overlap in ("queue", "replace") and start.partition is None:
                start = msgspec.structs.replace(start, partition=f"schedule:{due.name}")
        return MakeSlot(due.name, slot_at, schedule.next_after(slot_at), verdict, start, note)

    def _submit(self, command: Any) -> None:
        self._open += 1
        self._store.submit(command, self._answered)

    def _answered(self, result: Any) -> None:
        self._open -= 1
        if isinstance(result, Exception):
            _LOG.error("a slot was not made: %s", result)
        if not self._open and not self.closed:
            self.look()


def chosen_slots(slots: list[int], now: int, misfire: str) -> set[int]:
    """Return the slots that are to be run: those on time, and of the late ones what `misfire` says."""
    on_time = {slot for slot in slots if now - slot <= LATE_MS}
    late = [slot for slot in slots if slot not in on_time]
    if misfire == "all":
        return set(slots)
    if misfire == "last" and late and not on_time:
        return {late[-1]}
    return on_time
