"""Stalls on record: an attempt, or the loop of a process, without a sign of life."""

from msgspec import Struct


class Stall(Struct, frozen=True):
    """An attempt without a sign of life. `since_at` = its last one, or its start (ms UTC).

    `stack` = its position when that was found: frames "file:line function" outermost first, or the processes of its command.
    """

    run: str
    ident: str
    step: str
    attempt: int
    since_at: int
    stack: tuple[str, ...]


class BlockedLoop(Struct, frozen=True):
    """A loop that has been blocked since `since_at` (ms UTC). `run` = the run of its process, if it has only one.

    `stack` = what blocked it when that was found: frames "file:line function", outermost first.
    """

    since_at: int
    stack: tuple[str, ...]
    run: str | None = None
