"""DBOS's "fair queues": one tenant at a time has one running workflow, and a repeated request is deduplicated by its key.

Try it:

    mainspring run tenant-report -m examples/ports/dbos/tenant_queue.py tenant=acme request=R1
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def render(tenant: str, request: str) -> str:
    """Render the report."""
    post(f"render {request} of {tenant}")
    return f"{tenant}/{request}.pdf"


@ms.workflow(name="tenant-report", queue="reports", key="{tenant}:{request}", concurrency=1, per="{tenant}")
async def tenant_report(run: ms.Run, tenant: str, request: str) -> str:
    """`concurrency=` and `per=` are DBOS's partitioned queue; `key=` is its deduplication id."""
    return await run.step(render, tenant, request)
