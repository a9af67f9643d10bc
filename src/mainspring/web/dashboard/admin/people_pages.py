"""Pages about people: `/people` for admins, `/me` for the signed-in person."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mainspring.domain.access.permissions import Role, SignInMethod, read_role
from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.insight.text.formatting import format_count
from mainspring.service.access.people import (
    add_person,
    change_person,
    end_session,
    end_sessions,
    make_token,
    remove_person,
    revoke_token,
    set_password,
)
from mainspring.service.access.sign_in import SignInOrigin, SignInService
from mainspring.service.actor import OperationContext
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.people import people as stored_people
from mainspring.store.read.people import tokens, web_sessions
from mainspring.web.api.endpoints.people import person_detail, session_detail, token_detail
from mainspring.web.dashboard.exports import KINDS, MOST, download
from mainspring.web.pages.page_renderer import PageRenderer, describe_error, read_form, read_visitor

_DAY_MS = 86_400_000
_DAYS = ("30", "90", "365", "")
_MOST_DAYS = 3_650
_FEW_DIGITS = re.compile(r"[0-9]{1,4}")


Tables = dict[str, Callable[[], Iterable[msgspec.Struct]]]


class _PeopleForm(NamedTuple):
    """The request of a form."""

    form: dict[str, str]
    act: OperationContext
    name: str
    keep: str


class PeoplePages:
    """The pages. `store` is read in threads."""

    def __init__(
        self,
        pages: PageRenderer,
        store: ProcessStore,
        sign_in: SignInService,
        sign_in_origin: Callable[[Request], SignInOrigin],
    ) -> None:
        self._pages = pages
        self._store = store
        self._sign_in = sign_in
        self._sign_in_origin = sign_in_origin
        self._operations: dict[str, Callable[[_PeopleForm], str]] = {
            "add": self._add,
            "change": self._change,
            "remove": self._remove,
            "set-password": self._set_password,
            "end-sessions": self._end_sessions,
            "end-session": self._end_session,
            "make-token": self._make_token,
            "revoke-token": self._revoke_token,
        }

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            Route("/people", self.people, methods=["GET", "POST"]),
            Route("/me", self.me, methods=["GET", "POST"]),
        ]

    async def people(self, request: Request) -> Response:
        """Show people, sessions and tokens, and perform the operation of a button; for admins only."""
        visitor = read_visitor(request)
        if not visitor.may(Role.ADMIN):
            message = f"this needs the role admin, but {visitor} is {visitor.role}"
            bar_status = await self._pages.run(lambda: self._pages.read_bar_status(visitor))
            return self._pages.page(
                request, "message.html", 403, message=message, title="Not allowed", bar_status=bar_status, is_error=True
            )
        status, message, token = 200, "", ""
        if request.method == "GET" and "as" in request.query_params:
            return await self._export(request, "people", self._tables())
        if request.method == "POST":
            status, message = await self._perform(request, self._operations)
            if status == 200 and read_form(request)["act"] == "make-token":
                token, message = message, "The token is shown only now:"
        return await self._render_people(request, status, message, token)

    async def _render_people(self, request: Request, status: int, message: str, token: str) -> Response:
        now, visitor = self._pages.clock.now(), read_visitor(request)
        reader = self._store.reader

        def read() -> dict[str, Any]:
            return {
                "people": stored_people(reader),
                "sessions": web_sessions(reader, now),
                "tokens": tokens(reader),
                "bar_status": self._pages.read_bar_status(visitor),
            }

        try:
            values = await self._pages.run(read)
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)
        values |= {"roles": list(Role), "days": _DAYS, "at": "/people", "is_error": status != 200}
        return self._pages.page(request, "people/people.html", status, message=message, token=token, now=now, **values)

    def _tables(self) -> Tables:
        """Return the exports of the tables of `/people`, in the form of the API."""
        reader, now = self._store.reader, self._pages.clock.now()
        return {
            "people": lambda: [person_detail(person) for person in stored_people(reader)],
            "tokens": lambda: [token_detail(token) for token in tokens(reader)],
            "sessions": lambda: [session_detail(session) for session in web_sessions(reader, now, limit=MOST)],
        }

    async def _export(self, request: Request, name: str, tables: Tables) -> Response:
        """Return a table as CSV or JSON."""
        kind, table = request.query_params["as"], request.query_params.get("of", "")
        rows = tables.get(table)
        if rows is None or kind not in KINDS:
            exports = " or ".join(f"?as={file_kind}&of={table}" for table in tables for file_kind in KINDS)
            return PlainTextResponse(f"this page does not have this table, or not in this format: use {exports}\n", 400)
        try:
            return await self._pages.run(lambda: download(rows(), kind, f"{name}-{table}"))
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)

    async def me(self, request: Request) -> Response:
        """Show the visitor; let them change their password and end their sessions."""
        visitor = read_visitor(request)
        session = await self._pages.authenticator.session(request)
        if (
            session is None or session.visitor(self._pages.clock.now()) != visitor
        ):  # signed in by a token, with or without a cookie
            return PlainTextResponse("this page is for people who signed in with a password or a provider\n", 404)
        status, message = 200, ""
        if request.method == "GET" and "as" in request.query_params:
            now, reader = self._pages.clock.now(), self._store.reader
            tables: Tables = {
                "sessions": lambda: [session_detail(row) for row in web_sessions(reader, now, visitor.name)]
            }
            return await self._export(request, "me", tables)
        if request.method == "POST":
            origin = self._sign_in_origin(request)
            operations: dict[str, Callable[[_PeopleForm], str]] = {
                "set-password": lambda request_form: self._change_own_password(request_form, origin, session.source),
                "end-session": lambda request_form: self._end_own_session(request_form, visitor.name),
                "end-sessions": self._end_sessions,
            }
            status, message = await self._perform(request, operations, name=visitor.name, keep=session.hash)
        now = self._pages.clock.now()
        try:
            sessions, bar_status = await self._pages.run(
                lambda: (
                    web_sessions(self._store.reader, now, visitor.name),
                    self._pages.read_bar_status(visitor),
                )
            )
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)
        values = {"sessions": sessions, "own": session.id, "has_password": session.source is SignInMethod.PASSWORD}
        values |= {"bar_status": bar_status, "at": "/me", "is_error": status != 200}
        return self._pages.page(request, "people/me.html", status, message=message, **values)

    async def _perform(
        self,
        request: Request,
        operations: dict[str, Callable[[_PeopleForm], str]],
        name: str | None = None,
        keep: str = "",
    ) -> tuple[int, str]:
        """Perform the operation of a button; return the status and the message."""
        form = read_form(request)
        operation = operations.get(form.get("act", ""))
        if operation is None:
            return 400, "there is no such operation"
        subject = form.get("name", "") if name is None else name
        try:
            person_form = _PeopleForm(form, self._pages.act(request), subject, keep)
            return 200, await self._pages.run(lambda: operation(person_form))
        except MainspringError as error:
            return describe_error(error)

    def _options(self, person_form: _PeopleForm) -> dict[str, Any]:
        return {"clock": self._pages.clock, "act": person_form.act, "cost": self._sign_in.cost}

    # -- the operations of the buttons ---------------------------------------------------------------------------------

    def _add(self, person_form: _PeopleForm) -> str:
        role, patterns = _parse_role(person_form.form), _parse_patterns(person_form.form)
        password = person_form.form.get("password", "")
        name = add_person(self._store, person_form.name, role, patterns, password, **self._options(person_form))
        return f"{name} can sign in now"

    def _change(self, person_form: _PeopleForm) -> str:
        change_person(
            self._store,
            person_form.name,
            _parse_role(person_form.form),
            _parse_patterns(person_form.form),
            act=person_form.act,
        )
        return f"{person_form.name} is changed"

    def _remove(self, person_form: _PeopleForm) -> str:
        remove_person(self._store, person_form.name, act=person_form.act)
        return f"{person_form.name} cannot sign in any more"

    def _set_password(self, person_form: _PeopleForm) -> str:
        password = person_form.form.get("password", "")
        set_password(self._store, person_form.name, password, **self._options(person_form))
        return f"{person_form.name} has a new password and is signed out"

    def _change_own_password(self, person_form: _PeopleForm, origin: SignInOrigin, source: SignInMethod) -> str:
        if source is not SignInMethod.PASSWORD:
            raise ArgumentError("you signed in without a password", hint="An admin can add you as a person.")
        proof = self._sign_in.confirms(person_form.name, person_form.form.get("old", ""), origin)
        if proof is None:
            raise ArgumentError("the current password is wrong")
        password = person_form.form.get("password", "")
        set_password(
            self._store, person_form.name, password, proof=proof, keep=person_form.keep, **self._options(person_form)
        )
        return "your password is changed; your other sessions have ended"

    def _end_sessions(self, person_form: _PeopleForm) -> str:
        ended = end_sessions(self._store, person_form.name, act=person_form.act, keep=person_form.keep)
        return f"{format_count(ended, 'session')} of {person_form.name} ended"

    def _end_session(self, person_form: _PeopleForm) -> str:
        end_session(self._store, person_form.form.get("id", ""), None, act=person_form.act)
        return "the session has ended"

    def _end_own_session(self, person_form: _PeopleForm, name: str) -> str:
        end_session(self._store, person_form.form.get("id", ""), name, act=person_form.act)
        return "the session has ended"

    def _make_token(self, person_form: _PeopleForm) -> str:
        days = person_form.form.get("days", "")
        if days and not (_FEW_DIGITS.fullmatch(days) and 0 < int(days) <= _MOST_DAYS):
            raise ArgumentError(f"a token lasts 1 to {_MOST_DAYS:,} days, or until you revoke it")
        until_at = self._pages.clock.now() + int(days) * _DAY_MS if days else None
        role, patterns = _parse_role(person_form.form), _parse_patterns(person_form.form)
        return make_token(
            self._store, person_form.name, role, patterns, until_at, clock=self._pages.clock, act=person_form.act
        )

    def _revoke_token(self, person_form: _PeopleForm) -> str:
        revoke_token(self._store, person_form.form.get("id", ""), act=person_form.act)
        return "the token is revoked"


def _parse_role(form: dict[str, str]) -> Role:
    return read_role(form.get("role", ""))


def _parse_patterns(form: dict[str, str]) -> list[str] | None:
    """Return the patterns of a line; an empty line = all automations."""
    words = [word.strip() for word in form.get("automations", "").split(",") if word.strip()]
    return words or None
