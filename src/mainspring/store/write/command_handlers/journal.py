"""Handlers of the commands in `store/commands/journal.py`."""

from typing import Final

from mainspring.store.commands.journal import (
    ClearStalledAttempt,
    RecordProcessGroup,
    RecordStalledAttempt,
    SaveAttempt,
    SaveCheckpoint,
    SaveOutcome,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import sessions
from mainspring.store.write.runs import journal

HANDLERS: Final[HandlerTable] = dict(
    (
        SaveOutcome.answered_by(journal.save_outcome),
        SaveAttempt.answered_by(journal.save_attempt),
        SaveCheckpoint.answered_by(journal.save_checkpoint),
        RecordStalledAttempt.answered_by(journal.record_stalled_attempt),
        ClearStalledAttempt.answered_by(journal.clear_stalled_attempt),
        RecordProcessGroup.answered_by(sessions.record_process_group),
    )
)
