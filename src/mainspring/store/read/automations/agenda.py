"""Reads for the agenda of the next days: upcoming slots, usual durations, and slots that did not start in time."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.states import RunState
from mainspring.domain.time.misfire import MISFIRE_AFTER_MS
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.monitor_reads import newest_ends
from mainspring.store.views import SlotView


class UpcomingSlot(msgspec.Struct, frozen=True):
    """The next slot of a schedule; `spec` = domain.time.schedule.Schedule as JSON."""

    automation: str
    schedule: str
    slot_at: int
    spec: bytes


class PlannedStart(msgspec.Struct, frozen=True):
    """A schedule that starts runs by itself, with the definition of its automation."""

    name: str
    automation: str
    spec: bytes
    next_slot_at: int
    definition: bytes
    paused_at: int | None
    paused_until: int | None
    options: str | None = None
    """Of a created schedule its options as JSON."""


def next_slots(reader: StoreReader, automations: Sequence[str] | None = None, limit: int = 10) -> list[UpcomingSlot]:
    """Return the next slots of all automations, or of some, that are neither retired nor paused."""
    names = None if automations is None else _listed(automations)
    return [UpcomingSlot(*row) for row in reader.read("list_next_slots", (names, limit))]


def planned_starts(
    reader: StoreReader, *, name: str | None = None, automations: Sequence[str] | None = None, limit: int
) -> list[PlannedStart]:
    """Return the next starts: `name` = of automations whose name contains this text, `automations` = only of these."""
    rows = reader.read("list_agenda", (name, None if automations is None else _listed(automations), limit))
    return [PlannedStart(*row) for row in rows]


def planned_page(
    reader: StoreReader, *, name: str | None, automations: Sequence[str] | None, after: str, limit: int
) -> list[PlannedStart]:
    """Return the starts of up to `limit` automations after `after`, by name and each with all its schedules; otherwise
    as `planned_starts`.
    """
    named = None if automations is None else _listed(automations)
    return [PlannedStart(*row) for row in reader.read("list_agenda_page", (name, named, after, limit))]


def irregular_slots(reader: StoreReader, schedules: Sequence[str], since_at: int, limit: int) -> list[SlotView]:
    """Return slots due since an instant that did not run, or were created late, newest first."""
    rows = reader.read(
        "list_irregular_slots", (_listed(schedules), since_at, SlotVerdict.RUN.value, MISFIRE_AFTER_MS, limit)
    )
    return [SlotView(*row) for row in rows]


def usual_lengths(reader: StoreReader, automations: Sequence[str], newest: int) -> dict[str, int]:
    """Return the median duration (ms) of the newest successes of each."""
    durations: dict[str, list[int]] = {}
    for end in newest_ends(reader, automations, newest):
        if end.state is RunState.SUCCEEDED and end.started_at is not None:
            durations.setdefault(end.automation, []).append(end.finished_at - end.started_at)
    return {name: sorted(durations_ms)[len(durations_ms) // 2] for name, durations_ms in durations.items()}


def _listed(names: Sequence[str]) -> str:
    return msgspec.json.encode(list(names)).decode()
