"""Celery with "django-celery-beat": schedules that a program creates, changes and deletes while all runs.

Try it:

    mainspring run customer-report -m examples/ports/celery/database_beat.py customer=ana
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="customer-report")
def customer_report(customer: str) -> str:
    """Report to one customer."""
    post(f"report to {customer}")
    return customer


def subscribe(app: ms.App, customer: str, every: str) -> None:
    """Create the schedule of a customer. It is a row of the store, with its changes in the audit log."""
    app.schedules.create_sync(f"report-{customer}", "customer-report", every=every, input={"customer": customer})


def unsubscribe(app: ms.App, customer: str) -> None:
    """Delete it."""
    app.schedules.delete_sync(f"report-{customer}")
