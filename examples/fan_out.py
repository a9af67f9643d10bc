"""A thousand items at once, two of them bad: the others do not wait for them, and nobody has to look for them in a log.

    mainspring run fan-out -m examples/fan_out.py

Teaches: `run.map`, one durable step an item, so that a crash costs the items in flight and no others; `on_error="collect"`, which gives a
failed item's place in the results to its error; a permanent error is not tried again, a passing one is.
"""

from dataclasses import dataclass

import mainspring as ms

BAD = (313, 777)


@dataclass(frozen=True)
class Bad:
    """An item that could not be done, and why."""

    item: int
    why: str
    hint: str | None


@dataclass(frozen=True)
class Summary:
    """What came of it all."""

    done: int
    total: int
    bad: list[Bad]


@ms.step(retry=ms.Retry(attempts=3, initial="100ms"))
async def price(item: int) -> int:
    """Return the price of one item. Each hundredth fails once as services do: the second attempt succeeds."""
    if item in BAD:
        raise ms.Permanent(f"item {item} has no price", hint="Ask the supplier.", data={"item": item})
    if item % 100 == 0 and ms.attempt() == 1:
        raise ConnectionResetError(f"the price service hung up on item {item}")
    return item * 3


@ms.workflow(name="fan-out", title="price {items} items", deadline="1h", owner="you")
async def fan_out(run: ms.Run, items: int = 1_000) -> Summary:
    """Price them all, fifty at a time."""
    prices = await run.map(price, range(items), concurrency=50, on_error="collect")
    bad = [
        Bad(fault.index, fault.failure.message, fault.failure.hint)
        for fault in prices
        if isinstance(fault, ms.ItemFailed)
    ]
    return Summary(items - len(bad), sum(p for p in prices if isinstance(p, int)), bad)
