"""Temporal's "batch: sliding window": a run works on many records, at most some at a time, and continues as new after each page.

Try it:

    mainspring run sliding-window -m examples/ports/temporal/sliding_window.py records=100 page=25 window=5
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def process_record(record: int) -> int:
    """Process one record."""
    post(f"record {record}")
    return record


@ms.workflow(name="sliding-window")
async def sliding_window(run: ms.Run, records: int, page: int = 25, window: int = 5, done: int = 0) -> int:
    """Return the number of records. The window is `concurrency=` of `run.map`; a restart keeps each journal short."""
    until = min(records, done + page)
    await run.map(process_record, range(done, until), concurrency=window)
    run.progress(until, records)
    return until if until == records else run.restart(records, page, window, until)
