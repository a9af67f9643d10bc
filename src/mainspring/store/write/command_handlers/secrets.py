"""Handlers of the commands in `store/commands/secrets.py`."""

from typing import Final

from mainspring.store.commands.secrets import RecordSecretOperation, RecordSecretUses
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import secrets

HANDLERS: Final[HandlerTable] = dict(
    (
        RecordSecretUses.answered_by(secrets.record_secret_uses),
        RecordSecretOperation.answered_by(secrets.record_secret_operation),
    )
)
