"""Airflow's trigger rules: `one_failed`, `one_success` and `all_done` are an `if`, an `if`, and the next line.

Try it:

    mainspring run trigger-rules -m examples/ports/airflow/trigger_rules.py tables='["orders", "broken"]'
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def load(table: str) -> str:
    """Load one table into the temporary schema."""
    if table == "broken":
        raise ms.Permanent("the table has no key")
    post(f"load {table}")
    return table


def publish(tables: list[str]) -> None:
    """Airflow: trigger_rule="one_success"."""
    post(f"publish {', '.join(tables)}")


def alert(table: str, reason: str) -> None:
    """Airflow: trigger_rule="one_failed"."""
    post(f"alert for {table}: {reason}")


def drop_schema() -> None:
    """Airflow: trigger_rule="all_done"."""
    post("drop the temporary schema")


@ms.workflow(name="trigger-rules")
async def trigger_rules(run: ms.Run, tables: list[str]) -> list[str]:
    """Load all tables, whatever becomes of each, and use what has arrived."""
    results = await run.map(load, tables, on_error="collect")
    failed = [result for result in results if isinstance(result, ms.ItemFailed)]
    loaded = [result for result in results if not isinstance(result, ms.ItemFailed)]
    for item in failed:
        await run.options(key=item.item).step(alert, item.item, item.reason)
    if loaded:
        await run.step(publish, loaded)
    await run.step(drop_schema)
    if failed:  # in Airflow a last task with "all_done" makes the run a success
        raise ms.Permanent(f"{len(failed)} of {len(tables)} tables failed")
    return loaded
