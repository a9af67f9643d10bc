"""Handlers of the commands in `store/commands/targets.py`."""

from typing import Final

from mainspring.store.commands.targets import EnterTarget, LeaveTarget, ResetTarget
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import targets

HANDLERS: Final[HandlerTable] = dict(
    (
        EnterTarget.answered_by(targets.enter_target),
        LeaveTarget.answered_by(targets.leave_target),
        ResetTarget.answered_by(targets.reset_target),
    )
)
