"""Who may see and do what: roles, and the visitor that the gate makes of a request.

Pure. A visitor says only what it may, never whether a thing exists: what it may not see is for it as if it were not there.
"""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.escaping import escape, is_plain_line

WEB = "web"
"""The door of people at the pages."""
API = "api"
"""The door of programs, which hold a token."""
LOCAL = "local"
"""Who followed the start-up link on this machine."""
IDLE_TIMEOUT_MS = 12 * 3_600_000
"""A session that asked for nothing for so long is over."""
SESSION_LIFETIME_MS = 7 * 86_400_000
"""So long does a session last at most, whatever it asks for."""
STARTUP_LINK_LIFETIME_MS = 600_000
"""So long does a start-up link open the pages, once."""
_LONGEST_PATTERN = 200
_MOST_PATTERNS = 100


class Role(StrEnum):
    """Each may what those before it may."""

    VIEWER = "viewer"
    """Looks."""
    OPERATOR = "operator"
    """Acts on runs, incidents, automations and queues."""
    ADMIN = "admin"
    """Changes who may do what."""

    def reaches(self, least: "Role") -> bool:
        """Whether it is this role or one that may more."""
        return _ROLE_RANKS[self] >= _ROLE_RANKS[least]


class EntryPoint(StrEnum):
    """By which door an act came in."""

    CLI = "cli"
    WEB = WEB
    API = API
    APP = "app"
    """A program that uses the library."""
    LINK = "link"
    """A link in a message."""


class SignInMethod(StrEnum):
    """By what somebody came in at the pages."""

    PASSWORD = "password"
    LINK = "link"
    """The start-up link, which whoever reads this machine's terminal can follow."""
    PROVIDER = "provider"
    """A provider of identities said who it is."""


_ROLE_RANKS = {role: place for place, role in enumerate(Role)}


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks: a person who signed in ("web:ana"), the holder of a token ("api:deploy-bot"), the start-up link ("web:local").

    `automations` = patterns of what it sees ("billing-*"); None = it is for all.
    """

    door: str
    name: str
    role: Role
    automations: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.door}:{self.name}"

    @property
    def is_for_all(self) -> bool:
        """Whether nothing is hidden from it."""
        return self.automations is None

    @property
    def may_read_audit_log(self) -> bool:
        """Whether it sees what others did: that is of all automations, and not for who only looks."""
        return self.is_for_all and self.may(Role.OPERATOR)

    def may_see(self, automation: str | None) -> bool:
        """Whether it sees what belongs to an automation; None = to no automation, which only those see who are for all."""
        if self.automations is None:
            return True
        return automation is not None and any(fnmatchcase(automation, pattern) for pattern in self.automations)

    def may(self, role: Role) -> bool:
        """Whether it may what needs at least this role, of what it sees."""
        return self.role.reaches(role)


def read_role(text: str) -> Role:
    """Return the role of this name.

    Raises:
        UnknownNameError: there is none of this name; tells the nearest.
    """
    if text not in set(Role):
        raise UnknownNameError("role", text, [role.value for role in Role])
    return Role(text)


def read_automations(words: Sequence[str] | None, role: Role) -> tuple[str, ...] | None:
    """Return patterns as they are kept: each once, in order; None = all.

    Raises:
        OptionError: there is none, too many, or one that matches nothing; or they are for an admin, who could lift them.
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
            raise OptionError(f"{escape(pattern, 80)!r} is no pattern of automations", hint="Write names: billing-*")
    return patterns
