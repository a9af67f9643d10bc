"""Inputs of the monitors of flags, and their parts in words."""

from collections.abc import Sequence

from msgspec import Struct

from mainspring.domain.flags.flag import Flag, FlagReason
from mainspring.domain.text.escaping import escape

_MOST_USERS = 5
_LONGEST_NAME = 80


class WatchedFlag(Struct, frozen=True):
    """A flag. `last_question_at` = the last question of code; `users` = the automations that asked in the last 7 days, "" = a program."""

    flag: Flag
    last_question_at: int | None = None
    users: tuple[str, ...] = ()


class UnansweredFlag(Struct, frozen=True):
    """Questions of the last day that got the default of the code for one reason, from `first_at` on.

    `flag` None = there is no flag of this name; `nearest` = a flag with nearly this name.
    """

    name: str
    reason: FlagReason
    first_at: int
    last_at: int
    users: tuple[str, ...]
    flag: Flag | None = None
    nearest: str | None = None


def describe_users(users: Sequence[str]) -> str:
    """Return the automations that asked: "pay, report and a program"."""
    names = sorted(name or "a program" for name in users)
    more = f" and {len(names) - _MOST_USERS} more" if len(names) > _MOST_USERS else ""
    return f"{', '.join(names[:_MOST_USERS])}{more}"


def describe_owner(flag: Flag) -> str:
    """Return the owner of a flag in brackets."""
    return f"(owner {escape(flag.owner, _LONGEST_NAME)})" if flag.owner else "(without an owner)"
