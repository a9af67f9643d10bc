"""Prefect's global concurrency limits: at most 2 tasks use the database at once, across all flows and machines.

Try it:

    mainspring run limited-queries -m examples/ports/prefect/concurrency_limits.py count=4
"""

from pathlib import Path

import mainspring as ms

SLOTS = 2


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def query(number: int) -> int:
    """Use the database in one of its slots. `lock.slot` says which one."""
    with ms.lock("database", within="1m", slots=SLOTS) as lock:
        post(f"query {number}")
        return lock.slot


@ms.workflow(name="limited-queries")
async def limited_queries(run: ms.Run, count: int) -> list[int]:
    """Start all queries at once; the lock lets 2 of them work."""
    return await run.map(query, range(count), concurrency=count)
