"""The actor of an operation, its reason and its command id.

Role: the three facts that each operation carries into the audit log. Invariant: an id given by a caller never equals one that was derived
from another (`OperationContext.part`), because only derived ones contain a "/".
"""

import getpass
import os
from typing import Self

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import OptionError
from mainspring.domain.ids import make_id
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern

_LONGEST_COMMAND = 240
"""Characters."""
_COMMAND = lazy_pattern(rf"[A-Za-z0-9_][A-Za-z0-9_.:@-]{{0,{_LONGEST_COMMAND - 1}}}")
_ID_BITS = 80
_LONGEST_NAME = 200
_LONGEST_REASON = 2_000


class Actor(msgspec.Struct, frozen=True):
    """A person or program: `entry_point` (cli, api, app, ...), `name` its name there; written "cli:user@host"."""

    entry_point: str
    name: str

    def __str__(self) -> str:
        return f"{self.entry_point}:{self.name}"

    @classmethod
    def of(cls, written: str) -> Self:
        """Return the actor of a written form."""
        entry_point, _, name = written.partition(":")
        return cls(entry_point, name)

    @classmethod
    def cli(cls, user: str, host: str) -> Self:
        """Return the person at a command line."""
        return cls("cli", _clean_name(f"{user}@{host}"))

    @classmethod
    def web(cls, name: str) -> Self:
        """Return the person at the web pages."""
        return cls("web", _clean_name(name))

    @classmethod
    def link(cls, claimed_name: str) -> Self:
        """Return the person who used a button behind a link; the name is their own claim and proves nothing."""
        return cls("link", _clean_name(claimed_name) or "someone")

    @classmethod
    def slack(cls, user: str) -> Self:
        """Return the person who pressed a button in Slack, which proves who it is: name and id there."""
        return cls("slack", _clean_name(user) or "someone")

    @classmethod
    def app(cls, pid: int, host: str) -> Self:
        """Return a program that uses the library."""
        return cls("app", _clean_name(f"{pid}@{host}"))


class OperationContext(msgspec.Struct, frozen=True):
    """The actor, reason and command id of one operation; made by `operation_context`."""

    actor: Actor
    reason: str | None
    command: str

    def part(self, *names: str) -> "OperationContext":
        """Return the context for one of several subjects; the same names give the same command id."""
        return msgspec.structs.replace(self, command="/".join((self.command, *names)))


def operation_context(
    actor: Actor,
    clock: Clock,
    *,
    reason: str | None = None,
    command: str | None = None,
    longest: int = _LONGEST_COMMAND,
) -> OperationContext:
    """Return a context with the caller's command id, or a new one. `longest` = most characters of the id, up to 240.

    Raises:
        OptionError: the command id cannot be one.
    """
    if command is None:
        command = make_id("c", clock.now(), clock.random_bits(_ID_BITS))
    elif not _COMMAND.fullmatch(command) or len(command) > longest:
        raise OptionError(
            f"{escape(command, 80)!r} is not a command id",
            hint=f"Use up to {longest} letters, digits and _ . : @ -, starting with a letter or digit.",
        )
    return OperationContext(actor, escape(reason, _LONGEST_REASON) if reason else None, command)


def _clean_name(name: str) -> str:
    """Return the name on one line, printable and bounded: it may have any source and is shown in lists and logs."""
    return escape(" ".join(name.split()), _LONGEST_NAME)


def user_name() -> str:
    """Return the name of this process's user, even if no variable has it; for a user without a name the number."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, in a container
        return str(os.getuid())
