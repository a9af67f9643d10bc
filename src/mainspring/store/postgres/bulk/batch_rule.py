"""The batch rule of one kind of command: what the order of a group must know of it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mainspring.store.postgres.transaction import PostgresTransaction


def run_of(command: Any) -> str:
    """Return the run that an owner's command names."""
    return str(command.run)


def publishes_nothing(_tx: PostgresTransaction, commands: Sequence[Any]) -> list[bool]:
    """Tell of each outcome whether it has no event for other runs: then it concerns its own alone."""
    return [not command.events for command in commands]


class BatchRule(msgspec.Struct, frozen=True):
    """One kind of command.

    `answer` answers many of them by one statement, None for each that its handler must answer; no two of them have one `key`. `run` is
    the run a command is about. `plain` tells of each whether it concerns nothing but that run; without it all do.
    """

    answer: Callable[[PostgresTransaction, list[Any]], list[Any]]
    key: Callable[[Any], Any]
    run: Callable[[Any], str] = run_of
    plain: Callable[[PostgresTransaction, Sequence[Any]], list[bool]] | None = None
