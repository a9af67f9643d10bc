"""Log lines of runs: appended at the end, numbered per run; lines in the middle are deleted above the limits."""

from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.store.commands.logs import PruneLogs, SaveLogs
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.transaction import Transaction


def save_logs(tx: Transaction, command: SaveLogs) -> CommandDone | Refused:
    """Append chunks to the log lines of a run."""
    c = command
    last = tx.first("find_last_log", (c.run,))
    last_number, line_count, upto = (1, 0, 0) if last is None else last
    number = last_number + line_count
    if tx.again and c.parts and tx.first("find_log", _chunk_identity(c.run, c.parts[0])) is not None:
        return DONE
    for part in c.parts:
        number += part.skipped
        upto += part.size
        row = (
            c.run,
            number,
            part.ident,
            part.attempt,
            part.first_at,
            part.last_at,
            part.lines,
            part.size,
            upto,
            part.body,
        )
        if not tx.change("insert_log", row):
            return Refused("not_found", f"there is no run {c.run}")
        number += part.lines
    if number - 1 > c.most_lines or upto > c.most_bytes:
        quarter = c.most_bytes // 4
        tail = number - (c.most_lines - min(c.protected_lines, c.most_lines))
        tx.change("delete_logs", (c.run, tail, upto - (c.most_bytes - quarter), c.protected_lines, quarter))
    return DONE


def prune_logs(tx: Transaction, command: PruneLogs) -> NumberAnswer:
    """Delete old chunks."""
    return NumberAnswer(tx.change("prune_old_logs", (command.before_at, command.limit)))


def _chunk_identity(run: str, part: LogChunk) -> tuple[object, ...]:
    return run, part.ident, part.attempt, part.first_at, part.last_at, part.lines, part.size
