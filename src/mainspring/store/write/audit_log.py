"""The audit log: each operation of a person or program, also a refused one, chained by hash, in the operation's own
commit.

A repeated command id gets its first answer and changes nothing; for another operation it is refused, not ignored.
"""

from typing import cast

import msgspec

from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.store.audit_chain import FIRST_HASH, AuditRow, row_hash
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import Answer
from mainspring.store.commands.results import Refused, Result
from mainspring.store.run_end_counts import MANUAL_OPERATION, MANUAL_VERBS
from mainspring.store.transaction import Handlers, Transaction

_RESULT = msgspec.json.Decoder(Result)


def run_audited(tx: Transaction, command: AuditedCommand[Answer], handlers: Handlers) -> Answer | Refused:
    """Execute an operation and write its audit row, unless this command id was served before."""
    tx.hold("audit")
    known = tx.first("find_audit_entry", (command.command,))
    if known is not None:
        result, verb, subject = known
        if (verb, subject) != (command.verb, command.subject):
            # The earlier operation is not named: the sender may lack permission to see it.
            return Refused("command_used", f"command id {command.command!r} was used for another operation")
        return cast("Answer | Refused", _RESULT.decode(result))  # the verb was the same, so was the command
    answer = cast("Answer", handlers[type(command.inner)](tx, command.inner))
    if not isinstance(answer, Refused):
        _count_manual_operation(tx, command)
    entry, tx.audit_head = link_entry(read_last_entry(tx), command, answer, tx.now)
    tx.change("insert_audit_entry", entry)
    return answer


def read_last_entry(tx: Transaction) -> AuditHead:
    """Return the last operation of the log, with those that this group has added."""
    return tx.audit_head or AuditHead(*(tx.first("read_newest_audit_entry") or (0, FIRST_HASH)))


def link_entry(
    last: AuditHead, command: AuditedCommand[object], answer: object, now: int
) -> tuple[tuple[int | str | bytes | None, ...], AuditHead]:
    """Return the row of an operation, linked to the last one by its hash, and what is last then."""
    seq = last.seq + 1
    detail = None if command.detail is None else msgspec.json.encode(command.detail, order="deterministic")
    row: AuditRow = (
        *(seq, now, command.command, command.actor, command.verb, command.subject, command.reason, detail),
        msgspec.json.encode(answer),
    )
    own_hash = row_hash(last.hash, row)
    return (*row, last.hash, own_hash), AuditHead(seq, own_hash)


def _count_manual_operation(tx: Transaction, command: AuditedCommand[object]) -> None:
    """Count an operation of a person, not of a program's `App`, that continued or settled a run."""
    noun, _, name = command.subject.partition(":")
    if noun == "run" and command.verb in MANUAL_VERBS and not command.actor.startswith("app:"):
        automation = tx.value("find_automation_of_run", (name,), str)
        if automation is not None:
            tx.detail(automation, MANUAL_OPERATION)
