"""The scheduler: makes the runs of due slots. Any number may run at once, for a slot is one row.

It needs nobody's code: definition and input are read from the store, as the last worker that could load them announced them.
A slot's run, the slot's row and the next due time are one commit. What was missed while nobody scheduled is decided
by the definition's `misfire`: `last` (default) runs the newest, `none` runs nothing that is late, `all` runs each;
slots that are not run get a row that says so. `overlap` decides what a slot does while the last run goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Container
from typing import Any

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definition import Definition
from mainspring.domain.ids import derived_id
from mainspring.domain.schedule import Schedule
from mainspring.domain.sealing import Sealing
from mainspring.engine.starting import StartOptions, start_command
from mainspring.store.base import DueSchedule, EngineReads, Store
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import CancelRun, SlotLink

_LOG = logging.getLogger("mainspring.scheduler")
LATE_MS = 60_000
"""A slot that is older than this was missed: nobody was there to make it."""
MOST_AT_ONCE = 100
"""Slots of one schedule that are made or recorded in one pass; the rest follows in the next."""
_LONGEST_SLEEP_S = 60.0

OffLoop = Callable[[Callable[[], Any], Callable[[Any], None]], None]


class Scheduler:
    """Made and used in `loop`'s thread. `only` = the automations whose slots it makes; None = those of the whole store."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reads: EngineReads,
        clock: Clock,
        sealing: Sealing,
        off_loop: OffLoop,
        *,
        only: Container[str] | None = None,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reads = reads
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._only = only
        self._passed: dict[str, str] = {}
        """Due schedules that cannot be served, with the reason that was told; they must not keep later ones out of sight."""
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False
        self._open = 0
        self._was_refused = False
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
            now, limit = self._clock.now(), MOST_AT_ONCE + len(self._passed)
            self._off_loop(lambda: self._read(now, limit), lambda found: self._serve(found, now))

    def _read(self, now: int, limit: int) -> tuple[list[tuple[DueSchedule, list[str]]], int | None]:
        due = self._reads.due_schedules(now, limit)
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
        told, self._passed = self._passed, {}
        for schedule, unfinished in due:
            try:
                why = self._make(schedule, unfinished, now)
            except Exception as error:  # noqa: BLE001  one schedule must not stop the others
                why = f"{type(error).__name__}: {error}"
            if why is not None:
                self._passed[schedule.name] = why
                if why and told.get(schedule.name) != why:
                    _LOG.error("schedule %s: its slot cannot be made: %s", schedule.name, why)
        if not self._open:
            self._sleep(next_at if not due else now + 1_000)

    def _sleep(self, until_at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = _LONGEST_SLEEP_S if until_at is None else (until_at - self._clock.now()) / 1000
        self._timer = self._loop.call_later(min(max(delay, 0.001), _LONGEST_SLEEP_S), self.look)

    def _make(self, due: DueSchedule, unfinished: list[str], now: int) -> str | None:
        """Submit what a due schedule asks for; where that cannot be, return why ("" = it is not ours)."""
        if self._only is not None and due.automation not in self._only:
            return ""
        if due.definition is None or due.input is None:
            return "an older version announced it; a worker of this version has to load its automation once"
        definition = Definition.from_data(msgspec.json.decode(due.definition))
        schedule = Schedule.from_data(msgspec.json.decode(due.spec))
        slots = [due.slot_at, *schedule.slots_between(due.slot_at, now + 1, MOST_AT_ONCE)]
        chosen = chosen_slots(slots, now, definition.option("misfire"))
        overlap = definition.option("overlap")
        for slot_at in slots:
            verdict, note = "run", None
            if slot_at not in chosen:
                verdict, note = "missed", "nobody scheduled when it was due"
            elif unfinished and overlap == "skip":
                verdict, note = "skipped", f"run {unfinished[0]} still goes on"
            elif unfinished and overlap == "replace":
                for run in unfinished:
                    self._submit(CancelRun(run, f"replaced:{due.name}:{slot_at}", "a newer slot replaces it"))
            self._submit(self._slot(definition, schedule, due, slot_at, verdict, note))
            if verdict == "run":
                unfinished = unfinished or [f"for slot {slot_at}"]
        return None

    def _slot(
        self,
        definition: Definition,
        schedule: Schedule,
        due: DueSchedule,
        slot_at: int,
        verdict: str,
        note: str | None,
    ) -> MakeSlot:
        start = None
        if verdict == "run":
            start = start_command(
                definition,
                self._sealing.open(due.input or b""),
                run=derived_id("r", slot_at, due.name, str(slot_at)),
                now_at=self._clock.now(),
                trigger=f"schedule {due.name}",
                options=StartOptions(key=f"{due.name}@{slot_at}"),
                slot=SlotLink(due.name, slot_at),
                sealing=self._sealing,
            )
            if definition.option("overlap") in ("queue", "replace") and start.partition is None:
                start = msgspec.structs.replace(start, partition=f"schedule:{due.name}")
        return MakeSlot(due.name, slot_at, schedule.next_after(slot_at), verdict, start, note)

    def _submit(self, command: Any) -> None:
        self._open += 1
        self._store.submit(command, self._answered)

    def _answered(self, result: Any) -> None:
        self._open -= 1
        if isinstance(result, Exception):
            _LOG.error("a slot was not made: %s", result)
        self._was_refused |= isinstance(result, Exception | Refused)
        if self._open or self.closed:
            return
        if (
            self._was_refused
        ):  # another scheduler made it, or there is no room for its run: what is refused once is not asked for at once
            self._was_refused = False
            self._sleep(self._clock.now() + 1_000)
        else:
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
