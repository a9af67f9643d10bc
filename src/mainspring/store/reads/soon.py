"""Reads of what was a moment ago and comes next: the newest runs of some automations, the slots that are due next."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.states import RunState
from mainspring.store.base import Reader


class BriefRun(msgspec.Struct, frozen=True):
    """A run as far as a picture of many shows it."""

    id: str
    state: RunState
    created_at: int
    started_at: int | None
    finished_at: int | None


class NextSlot(msgspec.Struct, frozen=True):
    """The next slot of a schedule; `spec` = domain.schedule.Schedule as JSON."""

    automation: str
    schedule: str
    slot_at: int
    spec: bytes


def newest_runs(reader: Reader, names: Iterable[str], each: int) -> dict[str, list[BriefRun]]:
    """Return the newest runs of these automations, at most so many of each, newest first."""
    found: dict[str, list[BriefRun]] = {}
    for automation, id, state, *at in reader.read(
        "list_newest_runs", (msgspec.json.encode(sorted(names)).decode(), each)
    ):
        found.setdefault(automation, []).append(BriefRun(id, RunState(state), *at))
    return found


def next_slots(reader: Reader, automations: Sequence[str] | None = None, limit: int = 10) -> list[NextSlot]:
    """Return the slots that come next, of what is neither retired nor paused: of all automations or of some."""
    names = None if automations is None else msgspec.json.encode(automations).decode()
    return [NextSlot(*row) for row in reader.read("list_next_slots", (names, limit))]
