"""Handlers of the commands in `store/commands/effects.py`."""

from typing import Final

from mainspring.store.commands.effects import (
    BeginEffect,
    ConfirmEffect,
    DisputeEffect,
    ForgetEffect,
    ListEarlierEffects,
    SettleEffect,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import effects

HANDLERS: Final[HandlerTable] = dict(
    (
        BeginEffect.answered_by(effects.begin_effect),
        SettleEffect.answered_by(effects.settle_effect),
        ForgetEffect.answered_by(effects.forget_effect),
        DisputeEffect.answered_by(effects.dispute_effect),
        ConfirmEffect.answered_by(effects.confirm_effect),
        ListEarlierEffects.answered_by(effects.list_earlier_effects),
    )
)
