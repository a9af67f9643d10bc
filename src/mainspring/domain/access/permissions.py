"""Permissions: roles, and the visitor that the authenticator makes of a request.

Pure. A visitor has only its permissions, not what exists: an object that it may not see does not exist for it.
"""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.escaping import escape, is_plain_line

WEB = "web"
"""The entry point of people at the pages."""
API = "api"
"""The entry point of programs with a token."""
LOCAL = "local"
"""The visitor who followed the start-up link on this machine."""
IDLE_TIMEOUT_MS = 12 * 3_600_000
"""A session without a request for this long ends."""
SESSION_LIFETIME_MS = 7 * 86_400_000
"""The longest life of a session, whatever it requests."""
STARTUP_LINK_LIFETIME_MS = 600_000
"""How long a start-up link opens the pages, once."""
_LONGEST_PATTERN = 200
_MOST_PATTERNS = 100


class Role(StrEnum):
    """The role of a visitor. Each may do all that those before it may."""

    VIEWER = "viewer"
    """Reads."""
    OPERATOR = "operator"
    """Operates on runs, incidents, automations and queues."""
    ADMIN = "admin"
    """Changes permissions."""

    def reaches(self, least: "Role") -> bool:
        """Whether it is this role or a higher one."""
        return _ROLE_RANKS[self] >= _ROLE_RANKS[least]


class EntryPoint(StrEnum):
    """The entry point of an operation."""

    CLI = "cli"
    WEB = WEB
    API = API
    APP = "app"
    """A program that uses the library."""
    LINK = "link"
    """A link in a message."""
    SLACK = "slack"
    """A button of a message in Slack."""


class SignInMethod(StrEnum):
    """The method by which a person signed in at the pages."""

    PASSWORD = "password"
    LINK = "link"
    """The start-up link, which anyone who reads this machine's terminal can follow."""
    PROVIDER = "provider"
    """A provider of identities named the person."""


_ROLE_RANKS = {role: place for place, role in enumerate(Role)}


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """The sender of a request: a person who signed in ("web:ana"), the holder of a token ("api:deploy-bot"), the start-up link
    ("web:local").

    `automations` = patterns of the automations that it may see ("billing-*"); None = all.
    """

    entry_point: str
    name: str
    role: Role
    automations: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.entry_point}:{self.name}"

    @property
    def is_for_all(self) -> bool:
        """Whether nothing is hidden from it."""
        return self.automations is None

    @property
    def may_read_audit_log(self) -> bool:
        """Whether it may read the operations of others: they are of all automations, and not for viewers."""
        return self.is_for_all and self.may(Role.OPERATOR)

    def may_view(self, automation: str | None) -> bool:
        """Whether it may see what belongs to an automation; None = to no automation, which only visitors for all may see."""
        if self.automations is None:
            return True
        return automation is not None and any(fnmatchcase(automation, pattern) for pattern in self.automations)

    def may(self, role: Role) -> bool:
        """Whether it may do what needs at least this role, on what it sees."""
        return self.role.reaches(role)


def read_role(text: str) -> Role:
    """Return the role of this name.

    Raises:
        UnknownNameError: there is none of this name; names the nearest.
    """
    if text not in set(Role):
        raise UnknownNameError("role", text, [role.value for role in Role])
    return Role(text)


def read_automations(words: Sequence[str] | None, role: Role) -> tuple[str, ...] | None:
    """Return patterns as they are stored: each once, in order; None = all.

    Raises:
        OptionError: there is none, too many, or one that matches nothing; or they are for an admin, who could remove them.
    """
    if words is None:
        return None
    if role is Role.ADMIN:
        raise OptionError("an admin is for all automations", hint="Choose operator or viewer, or name no automations.")
    patterns = tuple(sorted(set(words)))
    if not 0 < len(patterns) <= _MOST_PATTERNS:
        raise OptionError(
            f"{len(patterns)} patterns of automations",
            hint=f"Name 1 to {_MOST_PATTERNS}, or leave them out: then it is all.",
        )
    for pattern in patterns:
        if not 0 < len(pattern) <= _LONGEST_PATTERN or pattern != pattern.strip() or not is_plain_line(pattern):
            raise OptionError(f"{escape(pattern, 80)!r} is not a pattern of automations", hint="Write names: billing-*")
    return patterns
