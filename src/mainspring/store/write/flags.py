"""Flags: changes, answers of runs (the first one counts), and counts of questions."""

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import (
    FlagAnswer,
    FlagReason,
    answer_question,
    hash_key,
    kind_of,
    mark_question,
    repeat_answer,
)
from mainspring.domain.flags.flag_change import merge
from mainspring.store.commands.flags import AnswerFlag, ChangeFlag, DeleteFlag, RecordFlagUses
from mainspring.store.commands.results import DONE, CommandDone, FlagChanged, Refused
from mainspring.store.schema.flags.flag_answers import FLAG_ANSWER, NEW_FLAG_ANSWER, NewFlagAnswer
from mainspring.store.schema.flags.flag_uses import NEW_FLAG_USE, NewFlagUse
from mainspring.store.schema.flags.flags import FLAG, FLAGS_REVISION, NEW_FLAG, NewFlag
from mainspring.store.transaction import Transaction
from mainspring.store.write.repeated_counts import was_counted

_HOUR_MS = 3_600_000
_HASH_DIGITS = 32


def change_flag(tx: Transaction, command: ChangeFlag) -> FlagChanged | Refused:
    """Create or change a flag."""
    name = command.flag
    tx.hold("flag", "")
    before = FLAG.read_first(tx.all("lock_flag", (name,)))
    if before is None and command.must_exist:
        return _not_found(name)
    try:
        flag = merge(name, before, command.change, tx.now)
    except OptionError as error:
        return Refused("wrong_state", error.message)
    flag = msgspec.structs.replace(flag, revision=_next_revision(tx))
    fields = msgspec.structs.asdict(flag) | {"rules": msgspec.json.encode(flag.rules).decode()}
    tx.change("write_flag", NEW_FLAG.values(NewFlag(**fields)))
    return FlagChanged(flag, before)


def delete_flag(tx: Transaction, command: DeleteFlag) -> CommandDone | Refused:
    """Delete a flag. The answers of runs stay until the runs are deleted."""
    tx.hold("flag", "")
    if not tx.change("delete_flag", (command.flag,)):
        return _not_found(command.flag)
    _next_revision(tx)
    return DONE


def answer_flag(tx: Transaction, command: AnswerFlag) -> FlagAnswer:
    """Return the answer on record, or give one."""
    question = command.question
    hashed = hash_key(question.flag, question.key).hex()[:_HASH_DIGITS]
    row = (command.run, command.generation, question.flag, hashed)
    if not command.is_fresh:
        known = FLAG_ANSWER.read_first(tx.all("find_flag_answer", row))
        if known is None and command.generation:
            mark = f"{mark_question(question)}#"
            known = FLAG_ANSWER.read_first(tx.all("find_retained_flag_answer", (*row, mark)))
        if known is not None:
            return repeat_answer(known.kind, known.value, known.side, known.reason, question)
    flag = FLAG.read_first(tx.all("lock_flag", (question.flag,)))
    is_killed = flag is not None and flag.killed_at is not None  # also where a provider answers
    answer = answer_question(flag, question) if command.given is None or is_killed else command.given
    if command.is_fresh:
        return answer
    kind = None if flag is None else flag.kind
    if answer.reason is FlagReason.PROVIDER:
        kind = kind_of(msgspec.json.decode(answer.value))
    value = None if answer.is_default else answer.value
    new = NewFlagAnswer(*row, kind, answer.side, answer.reason, value, tx.now)
    if tx.change("insert_flag_answer", NEW_FLAG_ANSWER.values(new)):
        return answer
    known = FLAG_ANSWER.read_first(tx.all("find_flag_answer", row))  # a process that lost the run was faster
    return answer if known is None else repeat_answer(known.kind, known.value, known.side, known.reason, question)


def record_flag_uses(tx: Transaction, command: RecordFlagUses) -> CommandDone:
    """Count questions in the hour of this commit."""
    if was_counted(tx, "find_last_flag_command", command.number):
        return DONE
    hour_at = tx.now - tx.now % _HOUR_MS
    for use in command.uses:
        row = NewFlagUse(
            hour_at,
            tx.session or 0,
            use.flag,
            use.automation,
            use.side,
            use.reason,
            use.number,
            tx.now,
            command.number,
        )
        tx.change("count_flag_use", NEW_FLAG_USE.values(row))
    return DONE


def _next_revision(tx: Transaction) -> int:
    # Never one that was there before a restore: processes compare it with what they have read.
    revision = max(int(tx.value("read_meta", (FLAGS_REVISION,), str) or 0) + 1, tx.now)
    tx.change("put_meta", (FLAGS_REVISION, str(revision)))
    return revision


def _not_found(name: str) -> Refused:
    return Refused("not_found", f"there is no flag {name!r}")
