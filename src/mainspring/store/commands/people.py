"""Commands on who may come in: people, sessions at the pages, tokens of programs, start-up links. No secret is in them, only hashes."""

import msgspec

from mainspring.domain.access.permissions import Role, SignInMethod


class AddPerson(msgspec.Struct, frozen=True):
    """Let a person in by name and password. Sessions of that name end. Answer: Done, Refused taken."""

    name: str
    password: str
    role: Role
    automations: tuple[str, ...] | None


class ChangePerson(msgspec.Struct, frozen=True):
    """Say what a person may; it counts from its next request on. Answer: Done, Refused not_found | last_admin."""

    name: str
    role: Role
    automations: tuple[str, ...] | None


class RemovePerson(msgspec.Struct, frozen=True):
    """Let a person in no more, and end its sessions. Answer: Done, Refused not_found | last_admin."""

    name: str


class SetPassword(msgspec.Struct, frozen=True):
    """Set a person's password, and end its sessions but `keep` (a hash). Answer: Done, Refused not_found | changed.

    `proof` = the stored form of the old password, which was compared; None = whoever asks need not know it.
    """

    name: str
    password: str
    proof: str | None = None
    keep: str = ""


class OpenWebSession(msgspec.Struct, frozen=True, kw_only=True):
    """Sign somebody in. Answer: Done, Refused changed (it is let in no more) | over (the link was used, or is too old) | somebody_else.

    `role` None = as the person's row says, which has to be there and to hold the password `proof`; else no person may have that
    name. `link` = hash of the start-up link that this uses up. `replaces` = hash of the session that the same browser had, which ends.
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


class RecordFailedSignIn(msgspec.Struct, frozen=True):
    """Somebody could not be let in: for the record only. Answer: Refused."""

    code: str
    text: str


class EndWebSession(msgspec.Struct, frozen=True):
    """Sign out one session, by its id; `name` = only if it is of this name. Answer: Done, Refused not_found."""

    id: str
    name: str | None = None


class EndWebSessions(msgspec.Struct, frozen=True):
    """Sign out all sessions of a name, but `keep` (a hash). Answer: Numbered(sessions)."""

    name: str
    keep: str = ""


class CreateStartLink(msgspec.Struct, frozen=True):
    """Let in, once and until an instant, whoever follows a link. Answer: Done."""

    hash: str
    until_at: int


class CreateToken(msgspec.Struct, frozen=True, kw_only=True):
    """Let a program in by a token. Answer: Done, Refused taken."""

    id: str
    name: str
    hash: str
    role: Role
    automations: tuple[str, ...] | None
    by: str
    until_at: int | None


class RevokeToken(msgspec.Struct, frozen=True):
    """Let nobody in by this token any more. Answer: Done, Refused not_found."""

    id: str


class RecordVisit(msgspec.Struct, frozen=True):
    """A session or token was used, by its hash. Answer: Done."""

    hash: str
    is_token: bool = False
