"""Lines of many runs at a time. A run that has to drop some, or that may have these already, is left to the handler."""

from typing import Any

from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.bulk.batch_rule import BatchRule
from mainspring.store.postgres.transaction import PostgresTransaction


def _save_lines(tx: PostgresTransaction, commands: list[SaveLogs]) -> list[CommandDone | None]:
    """Add parts where they fit in."""
    if tx.again:
        return [None] * len(commands)
    rows = [row for command in commands for row in _rows(command)]
    saved = {row[0] for row in tx.all("insert_logs", columns("ttnnnnnbnnnn", rows))} if rows else set()
    return [DONE if c.run in saved else None for c in commands]


def _rows(c: SaveLogs) -> list[tuple[Any, ...]]:
    """Return a command's parts, with how many lines and bytes of it come before, and how many of others' may be there."""
    lines = sum(part.skipped + part.lines for part in c.parts)
    size = sum(part.size for part in c.parts)
    room = (c.most_lines - lines, c.most_bytes - size)
    rows: list[tuple[Any, ...]] = []
    before = upto = 0
    for p in c.parts:
        before += p.skipped
        upto += p.size
        rows.append((c.run, p.ident, p.attempt, p.first_at, p.last_at, p.lines, p.size, p.body, before, upto, *room))
        before += p.lines
    return rows


LINES = BatchRule(_save_lines, lambda c: c.run)
