"""Logs in bulk: lines of many runs. The handler answers for a run that has to drop lines, or that may have these
already.
"""

from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.bulk.batch_rule import BatchRule, run_of
from mainspring.store.postgres.transaction import PostgresTransaction


def _save_lines(tx: PostgresTransaction, commands: list[SaveLogs]) -> list[CommandDone | None]:
    """Append chunks that fit into the limits."""
    if tx.again:
        return [None] * len(commands)
    rows = [row for command in commands for row in _rows(command)]
    saved = set(tx.values("insert_logs", columns("ttnnnnnbnnnn", rows), str)) if rows else set()
    return [DONE if c.run in saved else None for c in commands]


def _rows(c: SaveLogs) -> list[tuple[object, ...]]:
    """Return a command's chunks, each with the lines and bytes of the command before it, and the limits for lines of
    other commands.
    """
    lines = sum(part.skipped + part.lines for part in c.parts)
    size = sum(part.size for part in c.parts)
    limits = (c.most_lines - lines, c.most_bytes - size)
    rows: list[tuple[object, ...]] = []
    before = upto = 0
    for p in c.parts:
        before += p.skipped
        upto += p.size
        rows.append((c.run, p.ident, p.attempt, p.first_at, p.last_at, p.lines, p.size, p.body, before, upto, *limits))
        before += p.lines
    return rows


LINES = BatchRule(SaveLogs.batched_by(_save_lines), key=run_of, run=run_of)
