"""Reads of schedules that a person or program created."""

from mainspring.store.base import PauseRecord, StoreReader
from mainspring.store.schema.row import first_value
from mainspring.store.schema.triggers.schedules import CREATED_SCHEDULE, CreatedSchedule


def list_created_schedules(reader: StoreReader, automation: str | None = None) -> list[CreatedSchedule]:
    """Return the created schedules that are not deleted, of all automations or of one, by name."""
    return CREATED_SCHEDULE.read_all(reader.read("list_created_schedules", (automation,)))


def find_created_schedule(reader: StoreReader, name: str) -> CreatedSchedule | None:
    """Return a created schedule that is not deleted; None = there is none of this name."""
    schedule = CREATED_SCHEDULE.read_first(reader.read("find_created_schedule", (name,)))
    return None if schedule is None or schedule.deleted_at is not None else schedule


def find_automation_of_schedule(reader: StoreReader, name: str) -> str | None:
    """Return the automation of a schedule, declared or created, that has not ended; None = there is none of this name."""
    return first_value(reader.read("find_automation_of_schedule", (name,)), str)


def read_open_pause(reader: StoreReader, schedule: CreatedSchedule) -> PauseRecord | None:
    """Return the pause of a created schedule that has not ended; None if it is not paused."""
    if schedule.paused_at is None:
        return None
    pauses = [PauseRecord(*row) for row in reader.read("list_schedule_pauses", (schedule.name, schedule.paused_at))]
    return next((pause for pause in pauses if pause.ended_at is None), None)
