"""Schedule info: a schedule as Python code gets it, and the options by which code states one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from mainspring.domain.derived_states import ScheduleOrigin, ScheduleState
from mainspring.domain.time.utc import to_datetime

if TYPE_CHECKING:
    from mainspring.insight.automations.schedule_list import ScheduleLine


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule. `origin` = "code", or "created" by a person or program. `when` = its options in words. Instants are in UTC.

    `version` is greater after each operation; None = it is declared in code. `next_at` None = it starts nothing before a person acts.
    """

    name: str
    automation: str
    origin: ScheduleOrigin
    state: ScheduleState
    when: str
    version: int | None
    next_at: datetime | None
    last_at: datetime | None


class ScheduleOptions(TypedDict, total=False):
    """The options of a schedule, as in a definition: one of `cron`, `every` and `at`. In a change, None clears an option."""

    cron: str | None
    every: str | int | float | timedelta | None
    at: str | datetime | None
    tz: str | None
    calendar: str | None
    jitter: str | int | float | timedelta | None
    misfire: str | None
    overlap: str | None
    tags: Mapping[str, str] | Sequence[str] | None


def make_schedule_info(line: "ScheduleLine") -> ScheduleInfo:
    """Return a schedule for code from its line for people."""
    return ScheduleInfo(
        name=line.name,
        automation=line.automation,
        origin=line.origin,
        state=line.state,
        when=line.text,
        version=line.version,
        next_at=to_datetime(line.next_slot_at),
        last_at=to_datetime(line.last_slot_at),
    )


def read_schedule_info(document: Mapping[str, Any]) -> ScheduleInfo:
    """Return a schedule from its line in a response of the API."""
    fields = {
        **document,
        "when": document["text"],
        "next_at": document["next_slot_at"],
        "last_at": document["last_slot_at"],
    }
    return msgspec.convert(fields, ScheduleInfo)
