"""DBOS's `set_event` and `get_event`: a workflow publishes its state, and anyone reads it, also while no worker runs.

Try it:

    mainspring run order-status -m examples/ports/dbos/order_status.py order=7
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def pack(order: int) -> str:
    """Pack the order."""
    post(f"pack {order}")
    return f"parcel {order}"


@ms.workflow(name="order-status")
async def order_status(run: ms.Run, order: int) -> str:
    """The state travels in the commit of the next outcome. `await handle.published()` reads it."""
    run.publish_state({"order": order, "state": "packing"})
    parcel = await run.step(pack, order)
    run.publish_state({"order": order, "state": "waits for the carrier"})
    await run.receive("picked-up")
    run.publish_state({"order": order, "state": "on its way"})
    return parcel
