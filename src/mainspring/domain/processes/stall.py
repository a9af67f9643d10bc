"""What gives no sign of life, as it stands on record: an attempt, or the loop of a process."""

from msgspec import Struct


class Stall(Struct, frozen=True):
    """`since_at` = its last sign of life, or its start (ms UTC).

    `stack` = where it stood when that was found: frames "file:line function" outermost first, or the processes of its command.
    """

    run: str
    ident: str
    step: str
    attempt: int
    since_at: int
    stack: tuple[str, ...]


class BlockedLoop(Struct, frozen=True):
    """A loop that does not turn since `since_at` (ms UTC). `run` = the one that its process has, where it is the only one.

    `stack` = what held it when that was found: frames "file:line function", outermost first.
    """

    since_at: int
    stack: tuple[str, ...]
    run: str | None = None
