"""Who acts, why, and under which command id.

Role: the three facts that every act carries into the audit log. Invariant: an id given by a caller never equals one that was derived
from another (`OperationContext.part`), because only derived ones hold a "/".
"""

import getpass
import os
import re
from typing import Self

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import OptionError
from mainspring.domain.ids import make_id
from mainspring.domain.text.escaping import escape

_LONGEST_COMMAND = 240
"""Characters."""
_COMMAND = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.:@-]{{0,{_LONGEST_COMMAND - 1}}}")
_ID_BITS = 80
_LONGEST_NAME = 200
_LONGEST_REASON = 2_000


class Actor(msgspec.Struct, frozen=True):
    """A person or program: `door` is where it came in (cli, api, app, ...), `name` who it is there; written "cli:user@host"."""

    door: str
    name: str

    def __str__(self) -> str:
        return f"{self.door}:{self.name}"

    @classmethod
    def of(cls, written: str) -> Self:
        """Return the actor that is written so."""
        door, _, name = written.partition(":")
        return cls(door, name)

    @classmethod
    def cli(cls, user: str, host: str) -> Self:
        """Return the person at a command line."""
        return cls("cli", _clean_name(f"{user}@{host}"))

    @classmethod
    def web(cls, name: str) -> Self:
        """Return the person at the pages."""
        return cls("web", _clean_name(name))

    @classmethod
    def link(cls, said: str) -> Self:
        """Return whoever pressed a button behind a link; the name is what they say, and proves nothing."""
        return cls("link", _clean_name(said) or "somebody")

    @classmethod
    def app(cls, pid: int, host: str) -> Self:
        """Return a program that uses the library."""
        return cls("app", _clean_name(f"{pid}@{host}"))


class OperationContext(msgspec.Struct, frozen=True):
    """One act's actor, reason and command id; made by `act_of`."""

    actor: Actor
    reason: str | None
    command: str

    def part(self, *names: str) -> "OperationContext":
        """Return the act on one of several subjects; the same names give the same command id."""
        return msgspec.structs.replace(self, command="/".join((self.command, *names)))


def operation_context(
    actor: Actor,
    clock: Clock,
    *,
    reason: str | None = None,
    command: str | None = None,
    longest: int = _LONGEST_COMMAND,
) -> OperationContext:
    """Return an act with the caller's command id, or a new one. `longest` = the characters that the id may have, 240 at most.

    Raises:
        OptionError: the command id cannot be one.
    """
    if command is None:
        command = make_id("c", clock.now(), clock.random_bits(_ID_BITS))
    elif not _COMMAND.fullmatch(command) or len(command) > longest:
        raise OptionError(
            f"{escape(command, 80)!r} is not a command id",
            hint=f"Use up to {longest} letters, digits and _ . : @ -, beginning with a letter or digit.",
        )
    return OperationContext(actor, escape(reason, _LONGEST_REASON) if reason else None, command)


def _clean_name(name: str) -> str:
    """Return the name on one line, printable and bounded: it may come from anywhere and goes into lists and logs."""
    return escape(" ".join(name.split()), _LONGEST_NAME)


def user_name() -> str:
    """Return the name of this process's user, also where no variable tells it; the number of one without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, in a container
        return str(os.getuid())
