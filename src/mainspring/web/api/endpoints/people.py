"""People, their passwords and web sessions, and the tokens of programs. For admins; no response holds a password or a hash."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from mainspring.domain.access.permissions import Role, SignInMethod
from mainspring.service.access import people
from mainspring.store.read.people import PersonView, TokenView, WebSessionView, tokens, web_sessions
from mainspring.store.read.people import people as stored_people
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import ApiRoute

Password = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
Patterns = Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=100)]
_MOST_SESSIONS = 10_000


class PersonDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A person; `automations` = patterns of what it sees, null = all."""

    name: str
    role: Role
    automations: tuple[str, ...] | None
    made_at: int
    changed_at: int


class WebSessionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a person at the pages. `source` = the method of sign-in; `role` null = its person was removed, so it opens nothing."""

    id: str
    name: str
    source: SignInMethod
    role: Role | None
    address: str
    browser: str
    made_at: int
    seen_at: int
    until_at: int


class TokenDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A token of a program, without the token. `until_at` null = until it is revoked."""

    id: str
    name: str
    role: Role
    automations: tuple[str, ...] | None
    by: str
    made_at: int
    until_at: int | None
    used_at: int | None


class RightsRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rights of a person: its role, and patterns of the automations that it sees; left out: all of them."""

    role: Role
    automations: Patterns | None = None


class AddPersonRequest(RightsRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person to add."""

    name: Word
    password: Password


class SetPasswordRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password; all sessions of its person end."""

    password: Password


class MakeTokenRequest(RightsRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make; `until` left out: until it is revoked."""

    name: Word
    until: Instant | None = None


class MakeTokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The token. This response is the only one that contains it."""

    command: str
    name: str
    token: str


class EndSessionsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The number of sessions that ended."""

    command: str
    number: int


def list_people(call: ApiCall[ListQuery, None]) -> Page[PersonDetail]:
    """List people who can sign in."""
    return slice_rows(
        [person_detail(person) for person in stored_people(call.site.reader)], lambda person: person.name, call.query
    )


def add_person(call: ApiCall[None, AddPersonRequest]) -> OperationResponse:
    """Add a person who can sign in."""
    body, site, act = call.body, call.site, call.act()
    people.add_person(
        site.store, body.name, body.role, body.automations, body.password, clock=site.clock, act=act, cost=site.cost
    )
    return OperationResponse(act.command)


def change_person(call: ApiCall[None, RightsRequest]) -> OperationResponse:
    """Change the role and the automations of a person, from the next request on."""
    act = call.act()
    people.change_person(call.site.store, call.names["person"], call.body.role, call.body.automations, act=act)
    return OperationResponse(act.command)


def remove_person(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Remove a person: the sessions end; tokens that the person created stay."""
    act = call.act()
    people.remove_person(call.site.store, call.names["person"], act=act)
    return OperationResponse(act.command)


def set_password(call: ApiCall[None, SetPasswordRequest]) -> OperationResponse:
    """Set another password for a person, and sign the person out."""
    site, act = call.site, call.act()
    people.set_password(site.store, call.names["person"], call.body.password, clock=site.clock, act=act, cost=site.cost)
    return OperationResponse(act.command)


def end_sessions(call: ApiCall[None, OperationRequest]) -> EndSessionsResponse:
    """Sign a person out everywhere."""
    act = call.act()
    ended = people.end_sessions(call.site.store, call.names["person"], act=act)
    return EndSessionsResponse(command=act.command, number=ended)


def list_sessions(call: ApiCall[ListQuery, None]) -> Page[WebSessionDetail]:
    """List the sessions of signed-in people."""
    listed = web_sessions(call.site.reader, call.site.clock.now(), limit=_MOST_SESSIONS)
    return slice_rows([session_detail(session) for session in listed], lambda session: session.id, call.query)


def end_session(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Sign one session out."""
    act = call.act()
    people.end_session(call.site.store, call.names["session"], None, act=act)
    return OperationResponse(act.command)


def list_tokens(call: ApiCall[ListQuery, None]) -> Page[TokenDetail]:
    """List tokens of programs. A token itself is returned only when it is created."""
    return slice_rows([token_detail(token) for token in tokens(call.site.reader)], lambda token: token.name, call.query)


def make_token(call: ApiCall[None, MakeTokenRequest]) -> MakeTokenResponse:
    """Create a token for a program."""
    body, site, act = call.body, call.site, call.act()
    text = people.make_token(
        site.store, body.name, body.role, body.automations, to_ms(body.until), clock=site.clock, act=act
    )
    return MakeTokenResponse(command=act.command, name=body.name, token=text)


def revoke_token(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Revoke a token, from the next request on."""
    act = call.act()
    people.revoke_token(call.site.store, call.names["token"], act=act)
    return OperationResponse(act.command)


def person_detail(person: PersonView) -> PersonDetail:
    """Return a person without the password hash."""
    return PersonDetail(**{name: getattr(person, name) for name in PersonDetail.__struct_fields__})


def session_detail(session: WebSessionView) -> WebSessionDetail:
    """Return a session without its key."""
    return WebSessionDetail(**{name: getattr(session, name) for name in WebSessionDetail.__struct_fields__})


def token_detail(token: TokenView) -> TokenDetail:
    """Return a token without its secret."""
    return TokenDetail(**{name: getattr(token, name) for name in TokenDetail.__struct_fields__})


def _get_route(id: str, path: str, handler: Callable[[AnyApiCall], Any], response_type: Any) -> ApiRoute:
    return ApiRoute(
        id=id,
        method="GET",
        path=path,
        role=Role.ADMIN,
        handler=handler,
        response_type=response_type,
        query=ListQuery,
        whole=True,
    )


def _post_route(
    id: str,
    path: str,
    handler: Callable[[AnyApiCall], Any],
    request_type: type[msgspec.Struct],
    response_type: Any = OperationResponse,
) -> ApiRoute:
    return ApiRoute(
        id=id,
        method="POST",
        path=path,
        role=Role.ADMIN,
        handler=handler,
        request_type=request_type,
        response_type=response_type,
        whole=True,
    )


ROUTES = (
    _get_route("people.listed", "/people", list_people, Page[PersonDetail]),
    _post_route("people.add", "/people", add_person, AddPersonRequest),
    _post_route("people.change", "/people/{person}/change", change_person, RightsRequest),
    _post_route("people.remove", "/people/{person}/remove", remove_person, OperationRequest),
    _post_route("people.set_password", "/people/{person}/set-password", set_password, SetPasswordRequest),
    _post_route(
        "people.end_sessions", "/people/{person}/end-sessions", end_sessions, OperationRequest, EndSessionsResponse
    ),
    _get_route("people.sessions", "/sessions", list_sessions, Page[WebSessionDetail]),
    _post_route("people.end_session", "/sessions/{session}/end", end_session, OperationRequest),
    _get_route("people.tokens", "/tokens", list_tokens, Page[TokenDetail]),
    _post_route("people.make_token", "/tokens", make_token, MakeTokenRequest, MakeTokenResponse),
    _post_route("people.revoke_token", "/tokens/{token}/revoke", revoke_token, OperationRequest),
)
