"""The audit log: each operation of a person or program, also a refused one, chained by hash, in the operation's own
commit.

A repeated command id gets its first answer and changes nothing; for another operation it is refused, not ignored.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.store.audit_chain import FIRST_HASH, AuditRow, row_hash
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.results import Refused, Result
from mainspring.store.run_end_counts import MANUAL_OPERATION, MANUAL_VERBS
from mainspring.store.transaction import Transaction

_RESULT = msgspec.json.Decoder(Result)


def run_audited(tx: Transaction, command: AuditedCommand, handlers: Mapping[type, Any]) -> Any:
    """Execute an operation and write its audit row, unless this command id was served before."""
    tx.hold("audit")
    known = tx.first("find_audit_entry", (command.command,))
    if known is not None:
        result, verb, subject = known
        if (verb, subject) != (command.verb, command.subject):
            # The earlier operation is not named: the sender may lack permission to see it.
            return Refused("command_used", f"command id {command.command!r} was used for another operation")
        return _RESULT.decode(result)
    result = handlers[type(command.inner)](tx, command.inner)
    if not isinstance(result, Refused):
        _count_manual_operation(tx, command)
    last = tx.first("read_newest_audit_entry")
    seq, before = (last[0] + 1, last[1]) if last else (1, FIRST_HASH)
    detail = None if command.detail is None else msgspec.json.encode(command.detail, order="deterministic")
    row: AuditRow = (
        *(seq, tx.now, command.command, command.actor, command.verb, command.subject, command.reason, detail),
        msgspec.json.encode(result),
    )
    own_hash = row_hash(before, row)
    tx.change("insert_audit_entry", (*row, before, own_hash))
    tx.audit_head = AuditHead(seq, own_hash)
    return result


def _count_manual_operation(tx: Transaction, command: AuditedCommand) -> None:
    """Count an operation of a person, not of a program's `App`, that continued or settled a run."""
    noun, _, name = command.subject.partition(":")
    if noun == "run" and command.verb in MANUAL_VERBS and not command.actor.startswith("app:"):
        found = tx.first("find_automation_of_run", (name,))
        if found is not None:
            tx.detail(found[0], MANUAL_OPERATION)
