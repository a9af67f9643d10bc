"""Handlers of the commands in `store/commands/updates.py`."""

from typing import Final

from mainspring.store.commands.updates import RejectUpdate, RequestUpdate, StartWithUpdate
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import updates

HANDLERS: Final[HandlerTable] = dict(
    (
        RequestUpdate.answered_by(updates.request_update),
        StartWithUpdate.answered_by(updates.start_with_update),
        RejectUpdate.answered_by(updates.reject_update),
    )
)
