"""The batch rule of one kind of command: the properties on which the order of a group depends."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar, cast

import msgspec

from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.postgres.transaction import PostgresTransaction


class OwnedCommand(Protocol):
    """A command on one run."""

    @property
    def run(self) -> str:
        """The run's id."""
        ...


class PublishingCommand(Protocol):
    """A command that may publish events."""

    @property
    def events(self) -> tuple[PublishEvent, ...]:
        """The events."""
        ...


def run_of(command: OwnedCommand) -> str:
    """Return the run of an owner's command."""
    return command.run


def publishes_nothing(_tx: PostgresTransaction, commands: Sequence[PublishingCommand]) -> list[bool]:
    """Tell for each outcome whether it publishes no event: then it concerns only its own run."""
    return [not command.events for command in commands]


Command = TypeVar("Command", bound=StoreCommand[object])


class BatchRule(msgspec.Struct, Generic[Command], frozen=True):
    """One kind of command.

    `answer` answers many of them by one statement, with None for each that its handler must answer; no two of them have
    the same `key`. `run` is the run of a command. `plain` tells for each command whether it concerns only that run;
    without it all do.
    """

    answer: Callable[[PostgresTransaction, list[Command]], Sequence[object]]
    key: Callable[[Command], Hashable]
    run: Callable[[Command], str]
    plain: Callable[[PostgresTransaction, Sequence[Command]], list[bool]] | None = None


def rule_entry(
    kind: type[Command], rule: BatchRule[Command]
) -> tuple[type[StoreCommand[object]], BatchRule[StoreCommand[object]]]:
    """Return the entry of a kind of command in the table of rules."""
    return kind, cast("BatchRule[StoreCommand[object]]", rule)
