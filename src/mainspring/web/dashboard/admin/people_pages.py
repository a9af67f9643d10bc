"""Pages on who may come in: `/people` for admins, `/me` for whoever signed in."""

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
from mainspring.service.access import people as acts
from mainspring.service.access.sign_in import SignInOrigin, SignInService
from mainspring.service.actor import OperationContext
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people as reads
from mainspring.web.api.endpoints.people import person_detail, session_detail, token_detail
from mainspring.web.dashboard.exports import KINDS, MOST, download
from mainspring.web.pages.page_renderer import PageRenderer, describe_error, read_form, read_visitor

_DAY_MS = 86_400_000
_DAYS = ("30", "90", "365", "")
_MOST_DAYS = 3_650
_FEW_DIGITS = re.compile(r"[0-9]{1,4}")


Tables = dict[str, Callable[[], Iterable[msgspec.Struct]]]


class _PeopleForm(NamedTuple):
    """What a form asks for."""

    form: dict[str, str]
    act: OperationContext
    name: str
    keep: str


class PeoplePages:
    """`store` is asked in threads."""

    def __init__(
        self, pages: PageRenderer, store: ProcessStore, sign_in: SignInService, came: Callable[[Request], SignInOrigin]
    ) -> None:
        self._pages = pages
        self._store = store
        self._sign_in = sign_in
        self._came = came
        self._acts: dict[str, Callable[[_PeopleForm], str]] = {
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
        """Return the paths that are answered."""
        return [
            Route("/people", self.people, methods=["GET", "POST"]),
            Route("/me", self.me, methods=["GET", "POST"]),
        ]

    async def people(self, request: Request) -> Response:
        """Show who may come in, and do what a button says; for admins only."""
        visitor = read_visitor(request)
        if not visitor.may(Role.ADMIN):
            said = f"this needs the role admin, and {visitor} is {visitor.role}"
            verdict = await self._pages.run(lambda: self._pages.verdict_of(visitor))
            return self._pages.page(
                request, "told.html", 403, said=said, title="Not allowed", verdict=verdict, wrong=True
            )
        status, said, token = 200, "", ""
        if request.method == "GET" and "as" in request.query_params:
            return await self._leaving(request, "people", self._tables())
        if request.method == "POST":
            status, said = await self._done(request, self._acts)
            if status == 200 and read_form(request)["act"] == "make-token":
                token, said = said, "The token is shown this once:"
        return await self._people(request, status, said, token)

    async def _people(self, request: Request, status: int, said: str, token: str) -> Response:
        now, visitor = self._pages.clock.now(), read_visitor(request)
        reader = self._store.reader

        def read() -> dict[str, Any]:
            return {
                "people": reads.people(reader),
                "sessions": reads.web_sessions(reader, now),
                "tokens": reads.tokens(reader),
                "verdict": self._pages.verdict_of(visitor),
            }

        try:
            values = await self._pages.run(read)
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)
        values |= {"roles": list(Role), "days": _DAYS, "at": "/people", "wrong": status != 200}
        return self._pages.page(request, "people.html", status, said=said, token=token, now=now, **values)

    def _tables(self) -> Tables:
        """Return what gives the rows of each table of `/people`, as the API tells them."""
        reader, now = self._store.reader, self._pages.clock.now()
        return {
            "people": lambda: [person_detail(one) for one in reads.people(reader)],
            "tokens": lambda: [token_detail(one) for one in reads.tokens(reader)],
            "sessions": lambda: [session_detail(one) for one in reads.web_sessions(reader, now, limit=MOST)],
        }

    async def _leaving(self, request: Request, name: str, tables: Tables) -> Response:
        """Return a table as CSV or JSON."""
        kind, of = request.query_params["as"], request.query_params.get("of", "")
        rows = tables.get(of)
        if rows is None or kind not in KINDS:
            ways = " or ".join(f"?as={one}&of={table}" for table in tables for one in KINDS)
            return PlainTextResponse(f"this page has no such table, or not in this form: ask for {ways}\n", 400)
        try:
            return await self._pages.run(lambda: download(rows(), kind, f"{name}-{of}"))
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)

    async def me(self, request: Request) -> Response:
        """Show who asks, and let it change its password and end its sessions."""
        visitor = read_visitor(request)
        own = await self._pages.authenticator.session(request)
        if own is None or own.visitor(self._pages.clock.now()) != visitor:  # a token came, with or without a cookie
            return PlainTextResponse("this page is for people who signed in\n", 404)
        status, said = 200, ""
        if request.method == "GET" and "as" in request.query_params:
            now, reader = self._pages.clock.now(), self._store.reader
            mine: Tables = {
                "sessions": lambda: [session_detail(one) for one in reads.web_sessions(reader, now, visitor.name)]
            }
            return await self._leaving(request, "me", mine)
        if request.method == "POST":
            came = self._came(request)
            known: dict[str, Callable[[_PeopleForm], str]] = {
                "set-password": lambda asked: self._own_password(asked, came, own.source),
                "end-session": lambda asked: self._end_own(asked, visitor.name),
                "end-sessions": self._end_sessions,
            }
            status, said = await self._done(request, known, name=visitor.name, keep=own.hash)
        now = self._pages.clock.now()
        try:
            sessions, verdict = await self._pages.run(
                lambda: (reads.web_sessions(self._store.reader, now, visitor.name), self._pages.verdict_of(visitor))
            )
        except MainspringError as error:
            return PlainTextResponse(f"{describe_error(error)[1]}\n", 503)
        values = {"sessions": sessions, "own": own.id, "has_password": own.source is SignInMethod.PASSWORD}
        values |= {"verdict": verdict, "at": "/me", "wrong": status != 200}
        return self._pages.page(request, "me.html", status, said=said, **values)

    async def _done(
        self, request: Request, known: dict[str, Callable[[_PeopleForm], str]], name: str | None = None, keep: str = ""
    ) -> tuple[int, str]:
        """Do what a button says; return the status and what is told of it."""
        form = read_form(request)
        do = known.get(form.get("act", ""))
        if do is None:
            return 400, "there is no such act"
        subject = form.get("name", "") if name is None else name
        try:
            asked = _PeopleForm(form, self._pages.act(request), subject, keep)
            return 200, await self._pages.run(lambda: do(asked))
        except MainspringError as error:
            return describe_error(error)

    def _how(self, asked: _PeopleForm) -> dict[str, Any]:
        return {"clock": self._pages.clock, "act": asked.act, "cost": self._sign_in.cost}

    # -- what the buttons do -------------------------------------------------------------------------------------------

    def _add(self, asked: _PeopleForm) -> str:
        role, patterns = _parse_role(asked.form), _parse_patterns(asked.form)
        password = asked.form.get("password", "")
        name = acts.add_person(self._store, asked.name, role, patterns, password, **self._how(asked))
        return f"{name} may come in"

    def _change(self, asked: _PeopleForm) -> str:
        acts.change_person(self._store, asked.name, _parse_role(asked.form), _parse_patterns(asked.form), act=asked.act)
        return f"{asked.name} is changed"

    def _remove(self, asked: _PeopleForm) -> str:
        acts.remove_person(self._store, asked.name, act=asked.act)
        return f"{asked.name} may come in no more"

    def _set_password(self, asked: _PeopleForm) -> str:
        password = asked.form.get("password", "")
        acts.set_password(self._store, asked.name, password, **self._how(asked))
        return f"{asked.name} has a new password and is signed out"

    def _own_password(self, asked: _PeopleForm, came: SignInOrigin, source: SignInMethod) -> str:
        if source is not SignInMethod.PASSWORD:
            raise ArgumentError("you came in without a password", hint="An admin adds you as a person.")
        proof = self._sign_in.confirms(asked.name, asked.form.get("old", ""), came)
        if proof is None:
            raise ArgumentError("the present password is another one")
        password = asked.form.get("password", "")
        acts.set_password(self._store, asked.name, password, proof=proof, keep=asked.keep, **self._how(asked))
        return "your password is changed; your other sessions are ended"

    def _end_sessions(self, asked: _PeopleForm) -> str:
        ended = acts.end_sessions(self._store, asked.name, act=asked.act, keep=asked.keep)
        return f"{format_count(ended, 'session')} of {asked.name} ended"

    def _end_session(self, asked: _PeopleForm) -> str:
        acts.end_session(self._store, asked.form.get("id", ""), None, act=asked.act)
        return "the session is ended"

    def _end_own(self, asked: _PeopleForm, name: str) -> str:
        acts.end_session(self._store, asked.form.get("id", ""), name, act=asked.act)
        return "the session is ended"

    def _make_token(self, asked: _PeopleForm) -> str:
        days = asked.form.get("days", "")
        if days and not (_FEW_DIGITS.fullmatch(days) and 0 < int(days) <= _MOST_DAYS):
            raise ArgumentError(f"a token lasts 1 to {_MOST_DAYS:,} days, or until it is revoked")
        until_at = self._pages.clock.now() + int(days) * _DAY_MS if days else None
        role, patterns = _parse_role(asked.form), _parse_patterns(asked.form)
        return acts.make_token(
            self._store, asked.name, role, patterns, until_at, clock=self._pages.clock, act=asked.act
        )

    def _revoke_token(self, asked: _PeopleForm) -> str:
        acts.revoke_token(self._store, asked.form.get("id", ""), act=asked.act)
        return "the token opens nothing any more"


def _parse_role(form: dict[str, str]) -> Role:
    return read_role(form.get("role", ""))


def _parse_patterns(form: dict[str, str]) -> list[str] | None:
    """Return the patterns of a line; nothing in it = all."""
    words = [word.strip() for word in form.get("automations", "").split(",") if word.strip()]
    return words or None
