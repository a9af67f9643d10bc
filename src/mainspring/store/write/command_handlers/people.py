"""Handlers of the commands in `store/commands/people.py`."""

from typing import Final

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
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import people

HANDLERS: Final[HandlerTable] = dict(
    (
        AddPerson.answered_by(people.add_person),
        ChangePerson.answered_by(people.change_person),
        RemovePerson.answered_by(people.remove_person),
        SetPassword.answered_by(people.set_password),
        OpenWebSession.answered_by(people.open_web_session),
        RecordFailedSignIn.answered_by(people.record_failed_sign_in),
        EndWebSession.answered_by(people.end_web_session),
        EndWebSessions.answered_by(people.end_web_sessions),
        CreateStartLink.answered_by(people.create_start_link),
        CreateToken.answered_by(people.create_token),
        RevokeToken.answered_by(people.revoke_token),
        RecordVisit.answered_by(people.record_visit),
    )
)
