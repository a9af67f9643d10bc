"""Reads of people and their access: people, web sessions, tokens, and the visitor of a session or token."""

from collections.abc import Iterable

import msgspec

from mainspring.domain.access.permissions import API, IDLE_TIMEOUT_MS, WEB, Role, SignInMethod, Visitor
from mainspring.store.base import StoreReader
from mainspring.store.schema.row import first_value
from mainspring.store.transaction import Row


class PersonView(msgspec.Struct, frozen=True):
    """A person; `password` is its stored form (domain.access.passwords)."""

    name: str
    password: str
    role: Role
    automations: tuple[str, ...] | None
    made_at: int
    changed_at: int


class WebSessionView(msgspec.Struct, frozen=True):
    """A web session. `role` None = its person was removed: it gives no access."""

    hash: str
    id: str
    name: str
    source: SignInMethod
    role: Role | None
    automations: tuple[str, ...] | None
    address: str
    browser: str
    made_at: int
    seen_at: int
    until_at: int

    def visitor(self, now: int) -> Visitor | None:
        """Return its visitor; None = it has expired."""
        if self.role is None or now >= self.until_at or now - self.seen_at >= IDLE_TIMEOUT_MS:
            return None
        return Visitor(entry_point=WEB, name=self.name, role=self.role, automations=self.automations)


class TokenView(msgspec.Struct, frozen=True):
    """A token of a program; `until_at` None = until it is revoked."""

    id: str
    name: str
    hash: str
    role: Role
    automations: tuple[str, ...] | None
    by: str
    made_at: int
    until_at: int | None
    used_at: int | None

    def visitor(self, now: int) -> Visitor | None:
        """Return its visitor; None = it has expired."""
        if self.until_at is not None and now >= self.until_at:
            return None
        return Visitor(entry_point=API, name=self.name, role=self.role, automations=self.automations)


def person(reader: StoreReader, name: str) -> PersonView | None:
    """Return one person."""
    rows = reader.read("read_person", (name,))
    return next(map(_person, rows), None)


def people(reader: StoreReader) -> list[PersonView]:
    """Return all people, by name."""
    return [_person(row) for row in reader.read("list_people")]


def web_session(reader: StoreReader, hash: str) -> WebSessionView | None:
    """Return the session of a cookie with this hash."""
    rows = reader.read("find_web_session", (hash,))
    return next(map(_session, rows), None)


def web_sessions_by(reader: StoreReader, hashes: Iterable[str]) -> list[WebSessionView]:
    """Return the sessions of cookies with these hashes."""
    return [_session(row) for row in reader.read("list_web_sessions_by", (_listed(hashes),))]


def web_sessions(reader: StoreReader, now: int, name: str | None = None, limit: int = 200) -> list[WebSessionView]:
    """Return sessions that have not expired, of one name or of all, the newest use first."""
    return [_session(row) for row in reader.read("list_web_sessions", (name, now, now - IDLE_TIMEOUT_MS, limit))]


def token_of(reader: StoreReader, hash: str) -> TokenView | None:
    """Return the token of this hash."""
    rows = reader.read("find_api_token", (hash,))
    return next(map(_token, rows), None)


def tokens_by(reader: StoreReader, hashes: Iterable[str]) -> list[TokenView]:
    """Return the tokens of these hashes."""
    return [_token(row) for row in reader.read("list_api_tokens_by", (_listed(hashes),))]


def tokens(reader: StoreReader) -> list[TokenView]:
    """Return all tokens, by name."""
    return [_token(row) for row in reader.read("list_api_tokens")]


def has_credentials(reader: StoreReader, now: int) -> bool:
    """Tell whether there is a valid person, token or start link."""
    return bool(first_value(reader.read("has_credentials", (now,)), int))


def _person(row: Row) -> PersonView:
    name, password, role, automations, *rest = row
    return PersonView(name, password, Role(role), _patterns(automations), *rest)


def _session(row: Row) -> WebSessionView:
    hash, id, name, source, role, automations, *rest = row
    known = None if role is None else Role(role)
    return WebSessionView(hash, id, name, SignInMethod(source), known, _patterns(automations), *rest)


def _token(row: Row) -> TokenView:
    id, name, hash, role, automations, *rest = row
    return TokenView(id, name, hash, Role(role), _patterns(automations), *rest)


def _listed(hashes: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(hashes)).decode()


def _patterns(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])
