"""Operations on people, their passwords and sessions, and the tokens of programs. The authenticator decides who may do them."""

import re
import threading
from collections.abc import Sequence

from mainspring.domain.access.passwords import SALT_BYTES, ScryptCost, check_password, hash_password
from mainspring.domain.access.permissions import LOCAL, STARTUP_LINK_LIFETIME_MS, Role, read_automations
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConflictError, OptionError
from mainspring.domain.ids import make_id
from mainspring.service.access.access_keys import hash_key, new_key
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.people import (
    AddPerson,
    ChangePerson,
    CreateStartLink,
    CreateToken,
    EndWebSession,
    EndWebSessions,
    RemovePerson,
    RevokeToken,
    SetPassword,
)
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")
PREFIX = "ms_"
"""The prefix of each token, so that it is recognized where it should not be."""
_ID_BITS = 80
PASSWORD_LOCK = threading.Lock()
"""Held while a password is hashed: each hash takes 128 MiB, and many requests may come at once."""
RESERVED = (LOCAL, "unknown")


def add_person(
    store: Store,
    name: str,
    role: Role,
    automations: Sequence[str] | None,
    password: str,
    *,
    clock: Clock,
    act: OperationContext,
    cost: ScryptCost | None = None,
) -> str:
    """Add a person; return the name as stored. Takes as long as hashing a password.

    Raises:
        OptionError: the name, patterns or password are invalid.
        AlreadyExistsError: the name is taken.
    """
    name = _normalize_name(name)
    patterns = read_automations(automations, role)
    check_password(password, name)
    adding = AddPerson(name, _hash_password(password, clock, cost), role, patterns)
    perform(store, act, "add", f"person:{name}", adding, {"role": role.value, "automations": patterns})
    return name


def change_person(
    store: Store, name: str, role: Role, automations: Sequence[str] | None, *, act: OperationContext
) -> None:
    """Set what a person may do, from the next request on.

    Raises:
        OptionError: the patterns are invalid.
        NotFoundError: there is no such person.
        ConflictError: it is the last admin.
    """
    patterns = read_automations(automations, role)
    detail = {"role": role.value, "automations": patterns}
    perform(store, act, "change", f"person:{name}", ChangePerson(name, role, patterns), detail)


def remove_person(store: Store, name: str, *, act: OperationContext) -> None:
    """Remove a person; its sessions end. Tokens that it made stay: they belong to programs.

    Raises:
        NotFoundError: there is no such person.
        ConflictError: it is the last admin.
    """
    perform(store, act, "remove", f"person:{name}", RemovePerson(name))


def set_password(
    store: Store,
    name: str,
    password: str,
    *,
    clock: Clock,
    act: OperationContext,
    proof: str | None = None,
    keep: str = "",
    cost: ScryptCost | None = None,
) -> None:
    """Set a password; all sessions of the person end but `keep` (a hash). `proof` = the stored form of the old one, which was confirmed.

    Raises:
        OptionError: it cannot be a password.
        NotFoundError: there is no such person.
        ConflictError: it was changed meanwhile.
    """
    check_password(password, name)
    setting = SetPassword(name, _hash_password(password, clock, cost), proof, keep)
    perform(store, act, "set password", f"person:{name}", setting)


def end_session(store: Store, id: str, name: str | None, *, act: OperationContext) -> None:
    """End one session; `name` = only one of that person.

    Raises:
        NotFoundError: there is no such session.
    """
    perform(store, act, "end", f"session:{id}", EndWebSession(id, name))


def end_sessions(store: Store, name: str, *, act: OperationContext, keep: str = "") -> int:
    """End all sessions of a name but `keep` (a hash); return how many."""
    return perform(store, act, "end sessions", f"person:{name}", EndWebSessions(name, keep)).number


def offer_link(store: Store, *, clock: Clock, act: OperationContext | None = None) -> str:
    """Return the token of a new start-up link: its first visitor within ten minutes is admin.

    `act` None = a starting process makes it: only its use is recorded.
    """
    token = new_key(clock, "")
    offer = CreateStartLink(hash_key(token), clock.now() + STARTUP_LINK_LIFETIME_MS)
    if act is None:
        store.apply(offer)
    else:
        perform(store, act, "offer", "link:start-up", offer)
    return token


def make_token(
    store: ProcessStore,
    name: str,
    role: Role,
    automations: Sequence[str] | None,
    until_at: int | None,
    *,
    clock: Clock,
    act: OperationContext,
) -> str:
    """Return a new token, which is never shown again; `until_at` None = until it is revoked.

    Raises:
        OptionError: the name, patterns or end are invalid.
        AlreadyExistsError: the name is taken.
        ConflictError: the same command made one before.
    """
    name = _normalize_name(name)
    patterns = read_automations(automations, role)
    now = clock.now()
    if until_at is not None and until_at <= now:
        raise OptionError("the token would have expired already", hint="Choose an end in the future, or none.")
    text = new_key(clock, PREFIX)
    making = CreateToken(
        id=make_id("t", now, clock.random_bits(_ID_BITS)),
        name=name,
        hash=hash_key(text),
        role=role,
        automations=patterns,
        by=str(act.actor),
        until_at=until_at,
    )
    detail = {"role": role.value, "automations": patterns, "until_at": until_at}
    perform(store, act, "make", f"token:{name}", making, detail)
    if people.token_of(store.reader, making.hash) is None:
        raise ConflictError(
            f"the token {name} was created before", hint="It cannot be shown again: revoke it, and create another."
        )
    return text


def revoke_token(store: Store, id: str, *, act: OperationContext) -> None:
    """Revoke a token, from the next request on.

    Raises:
        NotFoundError: there is no such token.
    """
    perform(store, act, "revoke", f"token:{id}", RevokeToken(id))


def _normalize_name(text: str) -> str:
    name = text.strip().casefold()
    if not NAME.fullmatch(name) or name in RESERVED:
        raise OptionError(
            "this is not a valid name",
            hint="Use up to 80 lower-case letters, digits and . _ @ + -, starting with a letter or digit.",
        )
    return name


def _hash_password(password: str, clock: Clock, cost: ScryptCost | None) -> str:
    salt = clock.random_bits(8 * SALT_BYTES).to_bytes(SALT_BYTES, "big")
    with PASSWORD_LOCK:
        return hash_password(password, salt, cost or ScryptCost())
