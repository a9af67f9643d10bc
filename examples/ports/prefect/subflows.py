"""Prefect's subflows: a parent flow calls child flows, some at once, and uses their results.

Try it:

    mainspring run subflow-parent -m examples/ports/prefect/subflows.py regions='["eu", "us"]'
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def load(region: str) -> int:
    """Load one region."""
    post(f"load {region}")
    return len(region)


@ms.workflow(name="subflow-region")
async def load_region(run: ms.Run, region: str) -> int:
    """The child: a run of its own, with its own page, retries and deadline."""
    return await run.step(load, region)


@ms.workflow(name="subflow-parent")
async def load_regions(run: ms.Run, regions: list[str]) -> int:
    """Start all children at once, and add up their results."""
    calls = [run.options(run_key=f"{run.id}:{region}").child(load_region, region) for region in regions]
    return sum(await asyncio.gather(*calls))
