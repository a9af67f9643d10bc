"""Prefect's state hooks: `on_completion`, `on_failure`, `on_cancellation`. Each is a run of its own, which starts in the commit of the end.

Try it:

    mainspring run sync-stock -m examples/ports/prefect/state_hooks.py shop=berlin
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def read_stock(shop: str) -> int:
    """Read the stock of a shop."""
    if shop == "closed":
        raise ms.Permanent("the shop is closed")
    post(f"read {shop}")
    return len(shop)


@ms.workflow(name="sync-stock", key="{shop}")
async def sync_stock(run: ms.Run, shop: str) -> int:
    """After a crash of the worker the run continues, so `on_crashed` has no counterpart."""
    count = await run.step(read_stock, shop)
    if count > 10:
        await run.receive("counted by hand")
    return count


def notify(text: str) -> None:
    """Notify the team."""
    post(text)


@ms.on.run("sync-stock")
@ms.task(name="on-completion")
def on_completion(end: ms.Event) -> None:
    """`on_completion` gets the result; the hook is retried, and survives the death of its worker."""
    notify(f"{end.data['key']} has {end.data['result']}")


@ms.on.run("sync-stock", state=["failed", "cancelled"])
@ms.task(name="on-failure")
def on_failure(end: ms.Event) -> None:
    """One hook for `on_failure` and `on_cancellation`."""
    notify(f"{end.data['key']} {end.data['state']}")
