"""Reads of what was a moment ago and comes next: the newest runs of some automations, the slots that are due next."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.store.base import Reader
from mainspring.store.reads.runs import row_of
from mainspring.store.views import RunRow


class NextSlot(msgspec.Struct, frozen=True):
    """The next slot of a schedule; `spec` = domain.schedule.Schedule as JSON."""

    automation: str
    schedule: str
    slot_at: int
    spec: bytes


def newest_runs(reader: Reader, names: Iterable[str], each: int) -> dict[str, list[RunRow]]:
    """Return the newest runs of these automations, at most so many of each, newest first."""
    found: dict[str, list[RunRow]] = {}
    for row in reader.read("list_newest_runs", (msgspec.json.encode(sorted(names)).decode(), each)):
        one = row_of(row)
        found.setdefault(one.automation, []).append(one)
    return found


def next_slots(reader: Reader, automations: Sequence[str] | None = None, limit: int = 10) -> list[NextSlot]:
    """Return the slots that come next, of what is neither retired nor paused: of all automations or of some."""
    names = None if automations is None else msgspec.json.encode(automations).decode()
    return [NextSlot(*row) for row in reader.read("list_next_slots", (names, limit))]
