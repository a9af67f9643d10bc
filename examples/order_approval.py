"""An order that a person approves. If the person refuses, the run undoes its steps.

    mainspring run order-approval -m examples/order_approval.py number=7 cents=12900 ledger=ledger.txt
    mainspring runs answer @last ship          (in a second terminal; or `refuse`)

Teaches: steps with an `undo`; `run.ask`, which holds no memory while it waits, survives restarts and has a default if there is
no answer; `run.rollback`; the idempotency key, with which a shop that is called twice charges once.
"""

import fcntl
from pathlib import Path

import mainspring as ms


def post(ledger: str, key: str, line: str) -> None:
    """Represents the service of another company: it writes each key once, also if it is called several times."""
    with Path(ledger).open("a+", encoding="utf-8") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        book.seek(0)
        if not any(entry.startswith(f"{key}\t") for entry in book):
            book.write(f"{key}\t{line}\n")


def reserve(ledger: str, number: int) -> None:
    """Reserve the goods."""
    post(ledger, ms.idempotency_key(), f"reserve order {number}")


def release(ledger: str, number: int, result: None = None) -> None:
    """Release the goods."""
    post(ledger, ms.idempotency_key(), f"release order {number}")


def charge(ledger: str, number: int, cents: int) -> str:
    """Charge the customer; return the name of the payment."""
    post(ledger, ms.idempotency_key(), f"charge order {number}: {cents}")
    return f"payment-{number}"


def refund(ledger: str, number: int, cents: int, result: str | None = None) -> None:
    """Refund the payment. `result` is the result of `charge`; None if it is unknown whether the customer was charged."""
    post(ledger, ms.idempotency_key(), f"refund order {number}: {cents} ({result})")


def ship(ledger: str, number: int) -> str:
    """Send the parcel."""
    post(ledger, ms.idempotency_key(), f"ship order {number}")
    return f"parcel-{number}"


@ms.workflow(name="order-approval", title="order {number}", deadline="7d", on_cancel="undo", owner="you")
async def order_approval(
    run: ms.Run, number: int, cents: int, ledger: str = "ledger.txt", answer_within: str = "24h"
) -> str:
    """Reserve, charge, ask a person about a large order, ship."""
    await run.options(undo=release).step(reserve, ledger, number)
    payment = await run.options(undo=refund).step(charge, ledger, number, cents)
    if cents > 10_000:
        answer = await run.ask(
            f"Order {number} is over {cents / 100:,.2f}. Ship it?",
            choices=["ship", "refuse"],
            within=answer_within,
            otherwise="refuse",
            evidence={"payment": payment, "cents": cents},
        )
        if answer == "refuse":
            await run.rollback("the order was refused")  # the undo of each step, newest first
    return await run.step(ship, ledger, number)
