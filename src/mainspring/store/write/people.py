"""Handlers of people and their access: each change is one row, and a removed right ends in the same commit."""

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.store.commands.people import (
    AddPerson,
    ChangePerson,
    CreateStartLink,
    CreateToken,
    EndWebSession,
    EndWebSessions,
    OpenWebSession,
    RecordFailedSignIn,
    RecordVisit,
    RemovePerson,
    RevokeToken,
    SetPassword,
)
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.transaction import Transaction


def add_person(tx: Transaction, command: AddPerson) -> CommandDone | Refused:
    """Add a person; earlier users of that name, by a link or a provider, are other people."""
    c = command
    tx.hold("people")
    if not tx.change("insert_person", (c.name, c.password, c.role.value, _written(c.automations), tx.now)):
        return Refused("taken", f"there is a person {c.name!r} already")
    tx.change("end_web_sessions", (c.name, ""))
    return DONE


def change_person(tx: Transaction, command: ChangePerson) -> CommandDone | Refused:
    """Change the permissions of a person."""
    c = command
    tx.hold("people")
    refused = _refuse_last_admin(tx, c.name, c.role)
    if refused is None:
        tx.change("change_person", (c.role.value, _written(c.automations), tx.now, c.name))
    return refused or DONE


def remove_person(tx: Transaction, command: RemovePerson) -> CommandDone | Refused:
    """Remove a person and its access."""
    tx.hold("people")
    refused = _refuse_last_admin(tx, command.name, None)
    if refused is None:
        tx.change("remove_person", (command.name,))
        tx.change("end_web_sessions", (command.name, ""))
    return refused or DONE


def _refuse_last_admin(tx: Transaction, name: str, role: Role | None) -> Refused | None:
    """Refuse a change that would leave no admin."""
    found = tx.first("read_person", (name,))
    if found is None:
        return _unknown(name)
    _, _, stored_role, *_ = found
    old_role = Role(stored_role)
    if old_role is Role.ADMIN and role is not Role.ADMIN and tx.first("count_admins", (old_role.value,)) == (1,):
        return Refused("last_admin", f"{name} is the last admin")
    return None


def set_password(tx: Transaction, command: SetPassword) -> CommandDone | Refused:
    """Set a password and sign out the sessions of the old one."""
    c = command
    tx.hold("people")
    if not tx.change("set_password", (c.password, tx.now, c.name, c.proof)):
        known = tx.first("read_person", (c.name,))
        return _unknown(c.name) if known is None else Refused("changed", "the password was changed meanwhile")
    tx.change("end_web_sessions", (c.name, c.keep))
    return DONE


def open_web_session(tx: Transaction, command: OpenWebSession) -> CommandDone | Refused:
    """Sign a person in, if the checked facts still hold."""
    c = command
    tx.hold("people")
    if c.link is not None and not tx.change("redeem_start_link", (c.link, tx.now)):
        return Refused("over", "this link was used, or its time has passed")
    found = tx.first("read_person", (c.name,))
    _, password, *_ = found if found is not None else ("", None)
    if c.role is None and (found is None or password != c.proof):
        return Refused("changed", f"{c.name} may not sign in with that password any more")
    if c.role is not None and found is not None:
        return Refused("somebody_else", f"{c.name} is a person with a password here")
    if c.replaces is not None:
        tx.change("delete_web_session", (c.replaces,))
    role = None if c.role is None else c.role.value
    identity = (c.hash, c.id, c.name, c.source.value, role, _written(c.automations))
    tx.change("insert_web_session", (*identity, c.address, c.browser, tx.now, c.until_at))
    return DONE


def record_failed_sign_in(tx: Transaction, command: RecordFailedSignIn) -> Refused:
    """Change nothing: only the audit row is needed."""
    return Refused(command.code, command.text)


def end_web_session(tx: Transaction, command: EndWebSession) -> CommandDone | Refused:
    """Sign one session out."""
    tx.hold("people")
    if tx.change("end_web_session", (command.id, command.name)):
        return DONE
    return Refused("not_found", f"there is no session {command.id}")


def end_web_sessions(tx: Transaction, command: EndWebSessions) -> NumberAnswer:
    """Sign all sessions of a name out."""
    tx.hold("people")
    return NumberAnswer(tx.change("end_web_sessions", (command.name, command.keep)))


def create_start_link(tx: Transaction, command: CreateStartLink) -> CommandDone:
    """Store the hash of a start link."""
    tx.change("insert_start_link", (command.hash, command.until_at))
    return DONE


def create_token(tx: Transaction, command: CreateToken) -> CommandDone | Refused:
    """Add a token."""
    c = command
    row = (c.id, c.name, c.hash, c.role.value, _written(c.automations), c.by, tx.now, c.until_at)
    if tx.change("insert_api_token", row):
        return DONE
    return Refused("taken", f"there is a token {c.name!r} already")


def revoke_token(tx: Transaction, command: RevokeToken) -> CommandDone | Refused:
    """Remove a token."""
    if tx.change("revoke_api_token", (command.id,)):
        return DONE
    return Refused("not_found", f"there is no token {command.id}")


def record_visit(tx: Transaction, command: RecordVisit) -> CommandDone:
    """Record when a session or token was last used."""
    tx.change("touch_api_token" if command.is_token else "touch_web_session", (tx.now, command.hash))
    return DONE


def _written(automations: tuple[str, ...] | None) -> str | None:
    return None if automations is None else msgspec.json.encode(automations).decode()


def _unknown(name: str) -> Refused:
    return Refused("not_found", f"there is no person {name!r}")
