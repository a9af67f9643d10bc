"""Temporal's "subscription": an endless workflow charges each period, until a signal cancels it. An update changes the price.

Try it:

    mainspring run subscription -m examples/ports/temporal/subscription.py customer=ana cents=500 period=30d
"""

from pathlib import Path

import mainspring as ms

PERIODS = 12
"""Periods of one run. Then it continues as new: `run.restart`."""


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def charge(customer: str, cents: int, number: int) -> None:
    """Charge one period."""
    post(f"charge {customer} {cents} for period {number}")


@ms.workflow(name="subscription", key="subscription:{customer}")
async def subscription(run: ms.Run, customer: str, cents: int, period: str = "30d", number: int = 1) -> int:
    """Charge, then wait for the end of the period or for the signal; return the number of charged periods."""
    price = cents

    @run.on_update("price")
    def change_price(new: int) -> int:
        nonlocal price
        old, price = price, new
        return old

    for _ in range(PERIODS):
        await run.options(key=f"period:{number}").step(charge, customer, price, number)
        try:
            await run.receive("cancel", within=period)
        except TimeoutError:
            number += 1
        else:
            return number
    await run.updates_done()
    return run.restart(customer, price, period, number)
