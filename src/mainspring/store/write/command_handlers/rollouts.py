"""Handlers of the commands in `store/commands/rollouts.py`."""

from typing import Final

from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import rollouts

HANDLERS: Final[HandlerTable] = dict(
    (StartRollout.answered_by(rollouts.start_rollout), MoveRollout.answered_by(rollouts.move_rollout))
)
