"""Handlers of the commands in `store/commands/schedules.py`."""

from typing import Final

from mainspring.store.commands.schedules import (
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.triggers import created_schedules

HANDLERS: Final[HandlerTable] = dict(
    (
        CreateSchedule.answered_by(created_schedules.create_schedule),
        ChangeSchedule.answered_by(created_schedules.change_schedule),
        PauseSchedule.answered_by(created_schedules.pause_schedule),
        ResumeSchedule.answered_by(created_schedules.resume_schedule),
        DeleteSchedule.answered_by(created_schedules.delete_schedule),
    )
)
