"""Airflow's assets: a producer updates two tables, and a consumer starts when both are new.

Try it:

    mainspring auto graph -m examples/ports/airflow/assets.py
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="update-orders")
def update_orders(day: str) -> None:
    """Produce the first table."""
    post(f"orders of {day}")


@ms.task(name="update-customers")
def update_customers(day: str) -> None:
    """Produce the second table."""
    post(f"customers of {day}")


@ms.on.runs(["update-orders", "update-customers"], per="key", within="6h")
@ms.task(name="build-report")
def build_report(updates: ms.Event) -> None:
    """Start once for each run key (a day) under which both producers have succeeded."""
    post("report of both tables")
