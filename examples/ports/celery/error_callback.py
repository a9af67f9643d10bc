"""Celery's `link_error`: a task that runs after another one has failed. It is a run of its own, with retries and alerts.

Try it:

    mainspring run charge-card -m examples/ports/celery/error_callback.py order=7
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="charge-card", item="{order}")
def charge_card(order: int) -> str:
    """Fail for good for each order above 100."""
    if order > 100:
        raise ms.Permanent(f"card of order {order} is refused")
    post(f"charge {order}")
    return f"charged {order}"


@ms.on.run("charge-card", state="failed")
@ms.task(name="release-stock")
def release_stock(end: ms.Event) -> None:
    """`link_error=release_stock.s()`."""
    post(f"release stock: {end.data['reason']}")
