"""Commands on secrets: records of uses and of operations. None has a value."""

from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused


class RecordSecretUses(StoreCommand[CommandDone], frozen=True):
    """Count the uses of one attempt, once for each version. Answer: CommandDone.

    `number` rises with each of these commands of a session: a command that is sent again counts once.
    """

    number: int
    uses: tuple[SecretUse, ...]


class RecordSecretOperation(StoreCommand[CommandDone | Refused], frozen=True):
    """Change nothing: only the audit row is needed. Answer: CommandDone, Refused with the reason `refused`."""

    refused: str | None = None
