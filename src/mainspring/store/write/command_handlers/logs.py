"""Handlers of the commands in `store/commands/logs.py`."""

from typing import Final

from mainspring.store.commands.logs import PruneLogs, SaveLogs
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import logs

HANDLERS: Final[HandlerTable] = dict(
    (
        SaveLogs.answered_by(logs.save_logs),
        PruneLogs.answered_by(logs.prune_logs),
    )
)
