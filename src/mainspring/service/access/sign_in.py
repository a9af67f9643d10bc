"""Signing in at the pages: by password, by the start-up link, by a provider; and out.

Invariants: an unknown name costs what a wrong password costs, and reads the same; one comparison runs at a time, for each takes 128 MiB;
a session's number is new at each sign-in, and the store has only its hash.
"""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from mainspring.domain.access.passwords import MAX_PASSWORD_LENGTH, ScryptCost, hash_without_password, verify_password
from mainspring.domain.access.permissions import LOCAL, SESSION_LIFETIME_MS, Role, SignInMethod
from mainspring.domain.clock import Clock
from mainspring.domain.errors import BusyError, ConflictError, MainspringError, NotFoundError
from mainspring.domain.ids import make_id
from mainspring.domain.text.escaping import escape
from mainspring.service.access.access_keys import hash_key, new_key
from mainspring.service.access.people import NAME, PASSWORD_LOCK, RESERVED
from mainspring.service.access.sign_in_throttle import SignInThrottle, address_group
from mainspring.service.actor import Actor, operation_context
from mainspring.service.perform import perform
from mainspring.store.commands.people import EndWebSession, OpenWebSession, RecordFailedSignIn
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people as reads

_ID_BITS = 80
_WAITING_AT_MOST = 8
_LONGEST_SEEN = 200
UNKNOWN_NAME = "unknown"
"""How the audit log names whoever tried a name that is nobody's: what was typed there may be a password."""


class SignInOrigin(NamedTuple):
    """From where somebody asks: address, what its browser calls itself, the cookie that it has."""

    address: str
    browser: str = ""
    cookie: str | None = None


class SignInService:
    """The one place of a web process that lets people in; its acts are blocking, and any thread may do them."""

    def __init__(self, store: ProcessStore, clock: Clock, cost: ScryptCost | None = None) -> None:
        self._store = store
        self._clock = clock
        self.cost = cost or ScryptCost()
        self._names, self._addresses = SignInThrottle(), SignInThrottle()
        self._counting = threading.Lock()
        self._in_line = threading.BoundedSemaphore(_WAITING_AT_MOST)

    def by_password(self, name: str, password: str, came: SignInOrigin) -> str | None:
        """Sign a person in and return the cookie of its session; None = name or password are wrong, and nobody hears which.

        Raises:
            BusyError: this name or address has to wait, or too many ask at once.
        """
        name = name.strip().casefold()
        stored = self._judge(name, password, came, "sign in")
        return None if stored is None else self._open(name, SignInMethod.PASSWORD, came, proof=stored)

    def confirms(self, name: str, password: str, came: SignInOrigin) -> str | None:
        """Return the stored form of a person's password if this is it, None if not: before the person changes it.

        Raises:
            BusyError: as for a sign-in: whoever found an open browser could guess here.
        """
        return self._judge(name, password, came, "set password")

    def _judge(self, name: str, password: str, came: SignInOrigin, verb: str) -> str | None:
        """Return what a right password was compared with; a wrong one is on record."""
        key, address = (name if NAME.fullmatch(name) else UNKNOWN_NAME), address_group(came.address)
        self._count(key, address)
        try:
            person = reads.person(self._store.reader, name) if key == name else None
            stored = hash_without_password(self.cost) if person is None else person.password
            is_right = self._compare(password[: MAX_PASSWORD_LENGTH + 1], stored) and person is not None
        except MainspringError:  # nothing was judged, so nothing was guessed
            with self._counting:
                self._names.take_back(key)
                self._addresses.take_back(address)
            raise
        if not is_right:
            self._refuse(UNKNOWN_NAME if person is None else name, came, verb)
            return None
        with self._counting:
            self._names.forget(key)
            self._addresses.take_back(address)
        return stored

    def by_link(self, token: str, came: SignInOrigin) -> str | None:
        """Let in whoever follows a start-up link, as admin; None = it was used, its time has passed, or it never was one."""
        try:
            return self._open(LOCAL, SignInMethod.LINK, came, role=Role.ADMIN, link=hash_key(token))
        except ConflictError:
            return None

    def by_provider(self, name: str, role: Role, automations: tuple[str, ...] | None, came: SignInOrigin) -> str:
        """Let in whom a provider of identities knows, by the role that its groups have here.

        Raises:
            ConflictError: a person with a password has that name, or nobody can.
        """
        if name in RESERVED:
            raise ConflictError(f"{name} cannot be a name here", hint="See web.oidc.name_claim.")
        return self._open(name, SignInMethod.PROVIDER, came, role=role, automations=automations)

    def sign_out(self, session: reads.WebSessionView) -> None:
        """End a session; that it was ended already is as good."""
        act = operation_context(Actor.web(session.name), self._clock)
        with suppress(NotFoundError):
            perform(self._store, act, "sign out", f"person:{session.name}", EndWebSession(session.id, session.name))

    def _count(self, name: str, address: str) -> None:
        """Count a guess, or refuse to judge it."""
        now = self._clock.now()
        with self._counting:
            wait = max(self._names.wait_ms(name, now), self._addresses.wait_ms(address, now))
            if wait == 0:
                self._names.guess(name, now)
                self._addresses.guess(address, now)
        if wait:
            raise BusyError(timedelta(milliseconds=wait), "too many wrong passwords")

    def _compare(self, password: str, stored: str) -> bool:
        if not self._in_line.acquire(blocking=False):
            raise BusyError(timedelta(seconds=1), "too many sign in at once")
        try:
            with PASSWORD_LOCK:
                return verify_password(password, stored)
        finally:
            self._in_line.release()

    def _open(self, name: str, source: SignInMethod, came: SignInOrigin, **said: Any) -> str:
        """Open a session whose number nobody knew before."""
        cookie, now = new_key(self._clock, ""), self._clock.now()
        opening = OpenWebSession(
            hash=hash_key(cookie),
            id=make_id("w", now, self._clock.random_bits(_ID_BITS)),
            name=name,
            source=source,
            until_at=now + SESSION_LIFETIME_MS,
            address=escape(came.address, _LONGEST_SEEN),
            browser=escape(" ".join(came.browser.split()), _LONGEST_SEEN),
            replaces=None if came.cookie is None else hash_key(came.cookie),
            **said,
        )
        act = operation_context(Actor.web(name), self._clock)
        detail = {"by": source.value, "address": opening.address}
        perform(self._store, act, "sign in", f"person:{name}", opening, detail)
        return cookie

    def _refuse(self, name: str, came: SignInOrigin, verb: str) -> None:
        """Put it on record; a store that does not take it lets nobody in either."""
        act = operation_context(Actor.web(name), self._clock)
        inner = RecordFailedSignIn("wrong_password", "name or password are wrong")
        with suppress(ConflictError):
            detail = {"address": escape(came.address, _LONGEST_SEEN)}
            perform(self._store, act, verb, f"person:{name}", inner, detail)
