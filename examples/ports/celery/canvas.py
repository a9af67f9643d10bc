"""Celery's canvas: chain, group and chord. Here they are lines of a workflow, and no result backend joins them.

Try it:

    mainspring run canvas -m examples/ports/celery/canvas.py numbers='[1, 2, 3]'
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def square(n: int) -> int:
    """The header of the chord."""
    post(f"square {n}")
    return n * n


def total(numbers: list[int]) -> int:
    """The callback of the chord."""
    post(f"total of {len(numbers)}")
    return sum(numbers)


def halve(n: int) -> float:
    """The next link of the chain."""
    return n / 2


@ms.workflow(name="canvas")
async def canvas(run: ms.Run, numbers: list[int]) -> float:
    """chord(group(square), total) | halve."""
    squares = await asyncio.gather(*(run.options(key=f"{n}").step(square, n) for n in numbers))
    return await run.step(halve, await run.step(total, squares))
