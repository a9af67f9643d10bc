"""Celery with "celery-singleton": one export of a customer at a time; a second request gets the run that is under way.

Try it:

    mainspring run single-export -m examples/ports/celery/single_export.py customer=ana
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def write_rows(customer: str) -> int:
    """Export the rows."""
    post(f"export {customer}")
    return 3


@ms.workflow(name="single-export")
async def single_export(run: ms.Run, customer: str) -> int:
    """Wait for the approval of the customer, and export."""
    await run.receive("approved")
    return await run.step(write_rows, customer)


def export(app: ms.App, customer: str) -> "ms.Handle[int]":
    """Start the export, or find the one under way. After its end a new one starts."""
    return app.options(key=f"export:{customer}", key_policy="one_live").start_sync(single_export, customer)
