"""Reads of what comes next: the slots that are due."""

from collections.abc import Sequence

import msgspec

from mainspring.store.base import Reader


class NextSlot(msgspec.Struct, frozen=True):
    """The next slot of a schedule; `spec` = domain.schedule.Schedule as JSON."""

    automation: str
    schedule: str
    slot_at: int
    spec: bytes


def next_slots(reader: Reader, automations: Sequence[str] | None = None, limit: int = 10) -> list[NextSlot]:
    """Return the slots that come next, of what is neither retired nor paused: of all automations or of some."""
    names = None if automations is None else msgspec.json.encode(automations).decode()
    return [NextSlot(*row) for row in reader.read("list_next_slots", (names, limit))]
