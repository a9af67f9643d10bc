"""Who may come in: people, their passwords and sessions, the tokens of programs. For admins; no answer holds a password or a hash."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from mainspring.domain.access.permissions import Role, SignInMethod
from mainspring.service import people as acts_on
from mainspring.store.reads import people as stored
from mainspring.web.api.bodies import Because, Done, Slice, Word, slice_of
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import ApiRoute
from mainspring.web.api.shape import Instant, Page

Password = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
Patterns = Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=100)]
_MOST_SESSIONS = 10_000


class PersonShown(msgspec.Struct, frozen=True, kw_only=True):
    """A person; `automations` = patterns of what it sees, null = all."""

    name: str
    role: Role
    automations: tuple[str, ...] | None
    made_at: int
    changed_at: int


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in. `source` = by what; `role` null = its person was removed, so it opens nothing."""

    id: str
    name: str
    source: SignInMethod
    role: Role | None
    address: str
    browser: str
    made_at: int
    seen_at: int
    until_at: int


class TokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """A token of a program, without the token. `until_at` null = until it is revoked."""

    id: str
    name: str
    role: Role
    automations: tuple[str, ...] | None
    by: str
    made_at: int
    until_at: int | None
    used_at: int | None


class Rights(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody may: its role, and patterns of the automations that it sees; left out: all of them."""

    role: Role
    automations: Patterns | None = None


class NewPerson(Rights, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person to let in."""

    name: Word
    password: Password


class NewPassword(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password; all sessions of its person end."""

    password: Password


class NewToken(Rights, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make; `until` left out: until it is revoked."""

    name: Word
    until: Instant | None = None


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """The token, told this once: nobody can be told it again."""

    command: str
    name: str
    token: str


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions ended."""

    command: str
    number: int


def listed(call: Call[Slice, None]) -> Page[PersonShown]:
    """List people who may come in."""
    return slice_of([person_shown(one) for one in stored.people(call.site.reader)], lambda one: one.name, call.query)


def add(call: Call[None, NewPerson]) -> Done:
    """Let a person in."""
    body, site, act = call.body, call.site, call.act()
    acts_on.add_person(
        site.store, body.name, body.role, body.automations, body.password, clock=site.clock, act=act, cost=site.cost
    )
    return Done(act.command)


def change(call: Call[None, Rights]) -> Done:
    """Say what a person may, from its next request on."""
    act = call.act()
    acts_on.change_person(call.site.store, call.names["person"], call.body.role, call.body.automations, act=act)
    return Done(act.command)


def remove(call: Call[None, Because]) -> Done:
    """Let a person in no more; its sessions end, tokens that it made stay."""
    act = call.act()
    acts_on.remove_person(call.site.store, call.names["person"], act=act)
    return Done(act.command)


def set_password(call: Call[None, NewPassword]) -> Done:
    """Give a person another password; it is signed out."""
    site, act = call.site, call.act()
    acts_on.set_password(
        site.store, call.names["person"], call.body.password, clock=site.clock, act=act, cost=site.cost
    )
    return Done(act.command)


def end_sessions(call: Call[None, Because]) -> SessionsEnded:
    """Sign a person out everywhere."""
    act = call.act()
    ended = acts_on.end_sessions(call.site.store, call.names["person"], act=act)
    return SessionsEnded(command=act.command, number=ended)


def sessions(call: Call[Slice, None]) -> Page[SessionShown]:
    """List who is signed in at the pages."""
    found = stored.web_sessions(call.site.reader, call.site.clock.now(), limit=_MOST_SESSIONS)
    return slice_of([session_shown(one) for one in found], lambda one: one.id, call.query)


def end_session(call: Call[None, Because]) -> Done:
    """Sign one session out."""
    act = call.act()
    acts_on.end_session(call.site.store, call.names["session"], None, act=act)
    return Done(act.command)


def tokens(call: Call[Slice, None]) -> Page[TokenShown]:
    """List tokens of programs; what they are is told once, when they are made."""
    return slice_of([token_shown(one) for one in stored.tokens(call.site.reader)], lambda one: one.name, call.query)


def make_token(call: Call[None, NewToken]) -> TokenMade:
    """Make a token for a program."""
    body, site, act = call.body, call.site, call.act()
    text = acts_on.make_token(
        site.store, body.name, body.role, body.automations, ms(body.until), clock=site.clock, act=act
    )
    return TokenMade(command=act.command, name=body.name, token=text)


def revoke_token(call: Call[None, Because]) -> Done:
    """Let nobody in by a token any more, from the next request on."""
    act = call.act()
    acts_on.revoke_token(call.site.store, call.names["token"], act=act)
    return Done(act.command)


def person_shown(one: stored.PersonView) -> PersonShown:
    """Return a person without its password."""
    return PersonShown(**{name: getattr(one, name) for name in PersonShown.__struct_fields__})


def session_shown(one: stored.WebSessionView) -> SessionShown:
    """Return a session without what opens it."""
    return SessionShown(**{name: getattr(one, name) for name in SessionShown.__struct_fields__})


def token_shown(one: stored.TokenView) -> TokenShown:
    """Return a token without what opens by it."""
    return TokenShown(**{name: getattr(one, name) for name in TokenShown.__struct_fields__})


def _looks(id: str, path: str, handler: Callable[[AnyCall], Any], gives: Any) -> ApiRoute:
    return ApiRoute(
        id=id, method="GET", path=path, role=Role.ADMIN, handler=handler, gives=gives, query=Slice, whole=True
    )


def _acts(
    id: str, path: str, handler: Callable[[AnyCall], Any], takes: type[msgspec.Struct], gives: Any = Done
) -> ApiRoute:
    return ApiRoute(
        id=id, method="POST", path=path, role=Role.ADMIN, handler=handler, takes=takes, gives=gives, whole=True
    )


ROUTES = (
    _looks("people.listed", "/people", listed, Page[PersonShown]),
    _acts("people.add", "/people", add, NewPerson),
    _acts("people.change", "/people/{person}/change", change, Rights),
    _acts("people.remove", "/people/{person}/remove", remove, Because),
    _acts("people.set_password", "/people/{person}/set-password", set_password, NewPassword),
    _acts("people.end_sessions", "/people/{person}/end-sessions", end_sessions, Because, SessionsEnded),
    _looks("people.sessions", "/sessions", sessions, Page[SessionShown]),
    _acts("people.end_session", "/sessions/{session}/end", end_session, Because),
    _looks("people.tokens", "/tokens", tokens, Page[TokenShown]),
    _acts("people.make_token", "/tokens", make_token, NewToken, TokenMade),
    _acts("people.revoke_token", "/tokens/{token}/revoke", revoke_token, Because),
)
