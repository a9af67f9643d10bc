"""Celery's `rate_limit="2/s"`: here it counts for all workers together, and more calls wait.

Try it:

    mainspring run rated-call -m examples/ports/celery/rated_call.py customer=ana
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="rated-call", rate="2/s", per="{customer}")
def rated_call(customer: str, number: int = 1) -> str:
    """Call an API that allows two calls a second for each customer."""
    post(f"call {number} for {customer}")
    return f"{customer} {number}"
