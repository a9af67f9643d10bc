"""Handlers of the commands in `store/commands/flags.py`."""

from typing import Final

from mainspring.store.commands.flags import AnswerFlag, ChangeFlag, DeleteFlag, RecordFlagUses
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import flags

HANDLERS: Final[HandlerTable] = dict(
    (
        ChangeFlag.answered_by(flags.change_flag),
        DeleteFlag.answered_by(flags.delete_flag),
        AnswerFlag.answered_by(flags.answer_flag),
        RecordFlagUses.answered_by(flags.record_flag_uses),
    )
)
