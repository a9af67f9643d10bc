"""Secrets: who used which version is counted by hour; operations on secrets are rows of the audit log."""

from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.secrets import RecordSecretOperation, RecordSecretUses
from mainspring.store.schema.processes.secret_uses import NEW_SECRET_USE, NewSecretUse
from mainspring.store.transaction import Transaction
from mainspring.store.write.repeated_counts import was_counted

_HOUR_MS = 3_600_000


def record_secret_uses(tx: Transaction, command: RecordSecretUses) -> CommandDone:
    """Count the uses of an attempt, in the hour of this commit."""
    if was_counted(tx, "find_last_use_command", command.number):
        return DONE
    for use in command.uses:
        row = NewSecretUse(
            tx.now - tx.now % _HOUR_MS,
            tx.session or 0,
            use.secret,
            use.version,
            use.provider,
            use.automation,
            use.step,
            use.actor,
            1,
            tx.now,
            tx.now,
            command.number,
        )
        tx.change("count_secret_use", NEW_SECRET_USE.values(row))
    return DONE


def record_secret_operation(tx: Transaction, command: RecordSecretOperation) -> CommandDone | Refused:
    """Change nothing: only the audit row is needed."""
    return DONE if command.refused is None else Refused("secret_not_allowed", command.refused)
