"""The batch rule of one kind of command: the properties on which the order of a group depends."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mainspring.store.postgres.transaction import PostgresTransaction


def run_of(command: Any) -> str:
    """Return the run of an owner's command."""
    return str(command.run)


def publishes_nothing(_tx: PostgresTransaction, commands: Sequence[Any]) -> list[bool]:
    """Tell for each outcome whether it publishes no event: then it concerns only its own run."""
    return [not command.events for command in commands]


class BatchRule(msgspec.Struct, frozen=True):
    """One kind of command.

    `answer` answers many of them by one statement, with None for each that its handler must answer; no two of them have
    the same `key`. `run` is the run of a command. `plain` tells for each command whether it concerns only that run;
    without it all do.
    """

    answer: Callable[[PostgresTransaction, list[Any]], list[Any]]
    key: Callable[[Any], Any]
    run: Callable[[Any], str] = run_of
    plain: Callable[[PostgresTransaction, Sequence[Any]], list[bool]] | None = None
