"""Celery's `update_state(state="PROGRESS")` with `acks_late`: a long task reports its progress, and survives its worker.

Try it:

    mainspring run import-rows -m examples/ports/celery/import_rows.py rows=100
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def write_row(row: int) -> None:
    """Write one row."""
    post(f"row {row}")


@ms.task(name="import-rows")
def import_rows(rows: int) -> int:
    """Import all rows; after a crash, continue from the last checkpoint instead of the first row. Return where it began."""
    first = ms.last_checkpoint(int) or 0
    for row in range(first, rows):
        write_row(row)
        ms.checkpoint(row + 1)
        ms.progress(row + 1, rows)
    return first
