"""Audited starts in bulk: plain starts by persons and programs, each with its row in the audit log."""

from collections.abc import Sequence

from mainspring.domain.states import RunMove, target_state
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.runs import StartRun
from mainspring.store.postgres.arrays import columns, texts
from mainspring.store.postgres.bulk import starts
from mainspring.store.postgres.bulk.batch_rule import BatchRule
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.write.audit_log import link_entry, read_last_entry

AuditedStart = AuditedCommand[object]


def _find_plain(tx: PostgresTransaction, commands: Sequence[AuditedStart]) -> list[bool]:
    return [isinstance(c.inner, StartRun) and starts.is_plain(tx, c.inner) for c in commands]


def _start(tx: PostgresTransaction, commands: list[AuditedStart]) -> list[StartAnswer | None]:
    """Create runs in their order; the handler answers for a command or run that exists already."""
    tx.hold("audit")
    known = set(tx.values("list_known_commands", (texts([c.command for c in commands]),), str))
    new_ids = starts.stage(tx, [_start_of(c) for c in commands if c.command not in known])
    last = read_last_entry(tx)
    state = target_state(RunMove.STAGE)
    answers: list[StartAnswer | None] = []
    entries = []
    for c in commands:
        run = _start_of(c).id
        answer = None
        if run in new_ids:
            new_ids.remove(run)  # another command that names it finds the run
            answer = StartAnswer(run, created=True, state=state)
            entry, last = link_entry(last, c, answer, tx.now)
            entries.append(entry)
        answers.append(answer)
    if entries:
        tx.change("insert_audit_entries", columns("nntttttbbtt", entries))
        tx.audit_head = last
    return answers


def _start_of(command: AuditedStart) -> StartRun:
    assert isinstance(command.inner, StartRun)
    return command.inner


AUDITED_STARTS: BatchRule[AuditedStart] = BatchRule(
    AuditedCommand.batched_by(_start),
    key=lambda c: c.command,
    run=lambda c: _start_of(c).id,
    plain=_find_plain,
)
