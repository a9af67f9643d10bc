"""Commands on schedules that a person or program creates, beside those declared in code. `expected` = the version that the sender has
read; None = any.
"""

from collections.abc import Mapping
from typing import Any

from mainspring.domain.time.calendar import Calendar
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import Refused, ScheduleChanged


class CreateSchedule(StoreCommand[ScheduleChanged | Refused], frozen=True):
    """Create a schedule. Its first slot is after this commit. Answer: ScheduleChanged, Refused taken | no_automation | retired |
    wrong_schedule.

    `options` = canonical options (domain.definitions.schedule_options), `calendar` = the one that they name, with its dates; `input` = the
    sealed input of its runs, `zone` = the time zone if none is stated.
    """

    name: str
    automation: str
    options: Mapping[str, Any]
    calendar: Calendar | None
    input: bytes
    zone: str


class ChangeSchedule(StoreCommand[ScheduleChanged | Refused], frozen=True):
    """Change the stated options; None clears one. Slots that are due already are those of the earlier form. Answer: ScheduleChanged,
    Refused no_schedule | declared | version_conflict | wrong_schedule | unserved_changes.

    `input` None = as it was.
    """

    name: str
    options: Mapping[str, Any]
    calendar: Calendar | None
    input: bytes | None
    zone: str
    expected: int | None = None


class PauseSchedule(StoreCommand[ScheduleChanged | Refused], frozen=True):
    """Make no slots until it is resumed. Answer: ScheduleChanged, Refused no_schedule | declared | version_conflict."""

    name: str
    by: str
    reason: str | None
    expected: int | None = None


class ResumeSchedule(StoreCommand[ScheduleChanged | Refused], frozen=True):
    """End a pause: `misfire` decides on the slots that were due. Answer: ScheduleChanged, Refused no_schedule | declared | not_paused |
    version_conflict.
    """

    name: str
    expected: int | None = None


class DeleteSchedule(StoreCommand[ScheduleChanged | Refused], frozen=True):
    """Delete a schedule: it makes no more slots, and no success is expected of it. Runs that exist stay. Answer: ScheduleChanged, Refused
    no_schedule | declared | version_conflict.
    """

    name: str
    expected: int | None = None
