"""Prefect's variables and secret blocks: values that people change while the flow is deployed.

Try it:

    mainspring flags set page-size --type number --value 50 --share 100%
    export MAINSPRING_SECRET_SHOP_TOKEN=s3cret-token
    mainspring run export-orders -m examples/ports/prefect/variables.py orders=120
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def export_page(page: int, size: int) -> int:
    """Send one page of orders. `Secret.load("shop-token").get()` is `ms.secret("SHOP_TOKEN").reveal()`."""
    token = ms.secret("SHOP_TOKEN").reveal()
    post(f"page {page} of {size} orders, token of {len(token)} characters")
    return size


@ms.workflow(name="export-orders", secrets=["SHOP_TOKEN"])
async def export_orders(run: ms.Run, orders: int) -> list[int]:
    """`Variable.get("page_size")` is `run.flag`. A run keeps its first answer, so no order is left out if the value changes."""
    size = await run.flag("page-size", default=100)
    pages = range(-(-orders // size))
    return [await run.options(key=str(page)).step(export_page, page, size) for page in pages]
