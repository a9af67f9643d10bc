"""Sign-in at the web pages: by password, by the start-up link, by a provider; and sign-out.

Invariants: an unknown name costs as much time as a wrong password and gets the same answer. One comparison runs at a time, for each takes
128 MiB. The number of a session is new at each sign-in, and the store has only its hash.
"""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

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
from mainspring.store.read import people

_ID_BITS = 80
_WAITING_AT_MOST = 8
_MAX_ORIGIN_LENGTH = 200
UNKNOWN_NAME = "unknown"
"""The name in the audit log for an attempt with an unknown name, which may be a password typed into the wrong field."""


class SignInOrigin(NamedTuple):
    """The origin of a request: address, name of the browser, its cookie."""

    address: str
    browser: str = ""
    cookie: str | None = None


class SignInService:
    """Signs people in, for one web process; its methods block and are thread-safe."""

    def __init__(self, store: ProcessStore, clock: Clock, cost: ScryptCost | None = None) -> None:
        self._store = store
        self._clock = clock
        self.cost = cost or ScryptCost()
        self._names, self._addresses = SignInThrottle(), SignInThrottle()
        self._counting = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_WAITING_AT_MOST)

    def by_password(self, name: str, password: str, origin: SignInOrigin) -> str | None:
        """Sign a person in and return the cookie of the session; None = name or password is wrong, without a hint which.

        Raises:
            BusyError: this name or address must wait, or there are too many requests.
        """
        name = name.strip().casefold()
        stored = self._check(name, password, origin, "sign in")
        return None if stored is None else self._open(name, SignInMethod.PASSWORD, origin, proof=stored)

    def confirms(self, name: str, password: str, origin: SignInOrigin) -> str | None:
        """Return the stored form of a person's password if it matches, else None: before the person changes it.

        Raises:
            BusyError: as for a sign-in, since an open browser allows guesses here.
        """
        return self._check(name, password, origin, "set password")

    def _check(self, name: str, password: str, origin: SignInOrigin, verb: str) -> str | None:
        """Return the stored form of a correct password; record a wrong one."""
        key, address = (name if NAME.fullmatch(name) else UNKNOWN_NAME), address_group(origin.address)
        self._count(key, address)
        try:
            person = people.person(self._store.reader, name) if key == name else None
            stored = hash_without_password(self.cost) if person is None else person.password
            is_right = self._compare(password[: MAX_PASSWORD_LENGTH + 1], stored) and person is not None
        except MainspringError:  # nothing was checked, so nothing was guessed
            with self._counting:
                self._names.undo_guess(key)
                self._addresses.undo_guess(address)
            raise
        if not is_right:
            self._record_failure(UNKNOWN_NAME if person is None else name, origin, verb)
            return None
        with self._counting:
            self._names.forget(key)
            self._addresses.undo_guess(address)
        return stored

    def by_link(self, token: str, origin: SignInOrigin) -> str | None:
        """Sign in the visitor of a start-up link as admin; None = the link was used, has expired or is unknown."""
        try:
            return self._open(LOCAL, SignInMethod.LINK, origin, role=Role.ADMIN, link=hash_key(token))
        except ConflictError:
            return None

    def by_provider(self, name: str, role: Role, automations: tuple[str, ...] | None, origin: SignInOrigin) -> str:
        """Sign in a person known to an identity provider, with the role of its groups.

        Raises:
            ConflictError: a person with a password has that name, or it is reserved.
        """
        if name in RESERVED:
            raise ConflictError(f"{name} is not a valid name here", hint="See web.oidc.name_claim.")
        return self._open(name, SignInMethod.PROVIDER, origin, role=role, automations=automations)

    def sign_out(self, session: people.WebSessionView) -> None:
        """End a session; one that has ended already is fine."""
        act = operation_context(Actor.web(session.name), self._clock)
        with suppress(NotFoundError):
            perform(self._store, act, "sign out", f"person:{session.name}", EndWebSession(session.id, session.name))

    def _count(self, name: str, address: str) -> None:
        """Count a guess, or refuse to check it."""
        now = self._clock.now()
        with self._counting:
            wait = max(self._names.wait_ms(name, now), self._addresses.wait_ms(address, now))
            if wait == 0:
                self._names.guess(name, now)
                self._addresses.guess(address, now)
        if wait:
            raise BusyError(timedelta(milliseconds=wait), "too many wrong passwords")

    def _compare(self, password: str, stored: str) -> bool:
        if not self._waiting.acquire(blocking=False):
            raise BusyError(timedelta(seconds=1), "too many people sign in at once")
        try:
            with PASSWORD_LOCK:
                return verify_password(password, stored)
        finally:
            self._waiting.release()

    def _open(
        self,
        name: str,
        source: SignInMethod,
        origin: SignInOrigin,
        *,
        proof: str | None = None,
        link: str | None = None,
        role: Role | None = None,
        automations: tuple[str, ...] | None = None,
    ) -> str:
        """Open a session with a new, unknown number."""
        cookie, now = new_key(self._clock, ""), self._clock.now()
        opening = OpenWebSession(
            hash=hash_key(cookie),
            id=make_id("w", now, self._clock.random_bits(_ID_BITS)),
            name=name,
            source=source,
            until_at=now + SESSION_LIFETIME_MS,
            address=escape(origin.address, _MAX_ORIGIN_LENGTH),
            browser=escape(" ".join(origin.browser.split()), _MAX_ORIGIN_LENGTH),
            replaces=None if origin.cookie is None else hash_key(origin.cookie),
            proof=proof,
            link=link,
            role=role,
            automations=automations,
        )
        act = operation_context(Actor.web(name), self._clock)
        detail = {"by": source.value, "address": opening.address}
        perform(self._store, act, "sign in", f"person:{name}", opening, detail)
        return cookie

    def _record_failure(self, name: str, origin: SignInOrigin, verb: str) -> None:
        """Record the attempt; a store that cannot record it signs no one in either."""
        act = operation_context(Actor.web(name), self._clock)
        inner = RecordFailedSignIn("wrong_password", "name or password is wrong")
        with suppress(ConflictError):
            detail = {"address": escape(origin.address, _MAX_ORIGIN_LENGTH)}
            perform(self._store, act, verb, f"person:{name}", inner, detail)
