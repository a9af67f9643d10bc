"""Commands on people and their access: web sessions, tokens of programs, start links. They contain hashes, never
secrets.
"""

from mainspring.domain.access.permissions import Role, SignInMethod
from mainspring.store.commands.base import PersonalCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused


class AddPerson(StoreCommand[CommandDone | Refused], frozen=True):
    """Add a person who signs in by name and password. Sessions of that name end. Answer: CommandDone, Refused taken."""

    name: str
    password: str
    role: Role
    automations: tuple[str, ...] | None


class ChangePerson(StoreCommand[CommandDone | Refused], frozen=True):
    """Change the permissions of a person from the next request on. Answer: CommandDone, Refused not_found | last_admin."""

    name: str
    role: Role
    automations: tuple[str, ...] | None


class RemovePerson(StoreCommand[CommandDone | Refused], frozen=True):
    """Remove a person, and end its sessions. Answer: CommandDone, Refused not_found | last_admin."""

    name: str


class SetPassword(StoreCommand[CommandDone | Refused], frozen=True):
    """Set a person's password, and end its sessions except `keep` (a hash). Answer: CommandDone, Refused not_found |
    changed.

    `proof` = the stored form of the old password, which was compared; None = the sender need not know it.
    """

    name: str
    password: str
    proof: str | None = None
    keep: str = ""


class OpenWebSession(PersonalCommand[CommandDone | Refused], frozen=True, kw_only=True):
    """Sign a person in. Answer: CommandDone, Refused changed (access was removed) | over (the link was used, or is too
    old) | somebody_else.

    `role` None = that of the person's row, which must exist and hold the password `proof`; otherwise no person may have
    that name. `link` = hash of the start link that this uses up. `replaces` = hash of the earlier session of the same
    browser, which ends.
    """

    hash: str
    id: str
    name: str
    source: SignInMethod
    until_at: int
    address: str
    browser: str
    role: Role | None = None
    automations: tuple[str, ...] | None = None
    proof: str | None = None
    link: str | None = None
    replaces: str | None = None


class RecordFailedSignIn(PersonalCommand[Refused], frozen=True):
    """Record a failed sign-in. Answer: Refused."""

    code: str
    text: str


class EndWebSession(PersonalCommand[CommandDone | Refused], frozen=True):
    """Sign out one session by its id; `name` = only if it belongs to this name. Answer: CommandDone, Refused not_found."""

    id: str
    name: str | None = None


class EndWebSessions(PersonalCommand[NumberAnswer], frozen=True):
    """Sign out all sessions of a name except `keep` (a hash). Answer: NumberAnswer(sessions)."""

    name: str
    keep: str = ""


class CreateStartLink(PersonalCommand[CommandDone], frozen=True):
    """Create a link that signs its first user in, until an instant. Answer: CommandDone."""

    hash: str
    until_at: int


class CreateToken(StoreCommand[CommandDone | Refused], frozen=True, kw_only=True):
    """Create a token for a program. Answer: CommandDone, Refused taken."""

    id: str
    name: str
    hash: str
    role: Role
    automations: tuple[str, ...] | None
    by: str
    until_at: int | None


class RevokeToken(StoreCommand[CommandDone | Refused], frozen=True):
    """Revoke a token. Answer: CommandDone, Refused not_found."""

    id: str


class RecordVisit(PersonalCommand[CommandDone], frozen=True):
    """Record the use of a session or token, by its hash. Answer: CommandDone."""

    hash: str
    is_token: bool = False
