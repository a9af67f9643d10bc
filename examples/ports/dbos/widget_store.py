"""DBOS's "widget store": a checkout reserves stock, waits for the payment of another service, and survives a crash at each line.

Try it:

    mainspring run widget-store -m examples/ports/dbos/widget_store.py order=7
    mainspring runs signal @last payment '"paid"'          (in a second terminal)
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def reserve(order: int) -> None:
    """Take a widget from the stock."""
    post(f"reserve widget for {order}")


def release(order: int, result: None = None) -> None:
    """Put it back."""
    post(f"release widget of {order}")


def dispatch(order: int) -> None:
    """Send the widget."""
    post(f"dispatch {order}")


@ms.workflow(name="widget-store", key="order:{order}")
async def widget_store(run: ms.Run, order: int, within: str = "2m") -> str:
    """`run.publish_state` is DBOS's set_event, `run.receive` its recv. The run key is its workflow id."""
    await run.options(undo=release).step(reserve, order)
    run.publish_state({"order": order, "payment": "open"})
    try:
        payment = await run.receive("payment", str, within=within)
    except TimeoutError:
        payment = "late"
    if payment != "paid":
        await run.rollback(f"the payment is {payment}")
    await run.step(dispatch, order)
    return "dispatched"
