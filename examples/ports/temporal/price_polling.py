"""Temporal's "infrequent polling": ask a service until it has an answer. Its sample fails an activity; here the workflow sleeps.

Try it:

    mainspring run price-polling -m examples/ports/temporal/price_polling.py file=price.txt every=60
"""

import asyncio
from pathlib import Path

import mainspring as ms


def read_price(file: str) -> int | None:
    """Represents a service: return the price, None if it is not known yet."""
    path = Path(file)
    return int(path.read_text(encoding="utf-8")) if path.exists() else None


@ms.workflow(name="price-polling")
async def price_polling(run: ms.Run, file: str, every: float = 60.0, within: float = 86_400.0) -> int:
    """Poll until there is a price. The sleep is durable and holds no memory, and the timeout counts run time."""
    async with asyncio.timeout(within):
        while True:
            price = await run.step(read_price, file)
            if price is not None:
                return price
            await asyncio.sleep(every)
