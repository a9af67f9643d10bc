"""Airflow's TaskFlow tutorial: extract, transform, load. Values are passed as results, where Airflow has XCom.

Try it:

    mainspring run etl -m examples/ports/airflow/etl.py
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def extract() -> dict[str, float]:
    """Read the orders."""
    return {"1001": 301.27, "1002": 433.21, "1003": 502.22}


def transform(orders: dict[str, float]) -> float:
    """Return the total."""
    return round(sum(orders.values()), 2)


def load(total: float) -> None:
    """Write the total."""
    post(f"total {total:.2f}")


@ms.workflow(name="etl", cron="0 6 * * *", misfire="none")
async def etl(run: ms.Run) -> float:
    """Run the steps in their order. A retry continues after the last finished step, as "clear task" does."""
    total = await run.step(transform, await run.step(extract))
    await run.step(load, total)
    return total
