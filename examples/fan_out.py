"""A thousand items at once, two of them bad: the other items succeed, and the result lists the bad ones.

    mainspring run fan-out -m examples/fan_out.py

Teaches: `run.map`, one durable step an item, so that after a crash only the items in progress run again; `on_error="collect"`, which
puts the error of a failed item into the results; a permanent error is not retried, a transient one is.
"""

from dataclasses import dataclass

import mainspring as ms

BAD = (313, 777)


@dataclass(frozen=True)
class Bad:
    """An item that failed, and the reason."""

    item: int
    why: str
    hint: str | None


@dataclass(frozen=True)
class Summary:
    """The result of all items."""

    done: int
    total: int
    bad: list[Bad]


@ms.step(retry=ms.Retry(attempts=3, initial="100ms"))
async def price(item: int) -> int:
    """Return the price of one item. Every hundredth item fails once, as services do; its second attempt succeeds."""
    if item in BAD:
        raise ms.Permanent(f"item {item} has no price", hint="Ask the supplier.", data={"item": item})
    if item % 100 == 0 and ms.attempt() == 1:
        raise ConnectionResetError(f"the price service closed the connection for item {item}")
    return item * 3


@ms.workflow(name="fan-out", title="price {items} items", deadline="1h", owner="you")
async def fan_out(run: ms.Run, items: int = 1_000) -> Summary:
    """Price all items, fifty at a time."""
    prices = await run.map(price, range(items), concurrency=50, on_error="collect")
    bad = [
        Bad(fault.index, fault.failure.message, fault.failure.hint)
        for fault in prices
        if isinstance(fault, ms.ItemFailed)
    ]
    return Summary(items - len(bad), sum(p for p in prices if isinstance(p, int)), bad)
