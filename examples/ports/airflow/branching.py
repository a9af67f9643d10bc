"""Airflow's branching sample: a condition chooses the tasks. Here it is an `if`, and the join is the next line.

Try it:

    mainspring run branching -m examples/ports/airflow/branching.py rows=12
"""

from pathlib import Path

import mainspring as ms

LIMIT = 10


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def count_rows(rows: int) -> int:
    """Return the number of rows."""
    return rows


def load_all(rows: int) -> str:
    """The branch for few rows."""
    post(f"load all {rows}")
    return "all"


def load_sample(rows: int) -> str:
    """The branch for many rows."""
    post(f"load a sample of {rows}")
    return "sample"


def report(branch: str) -> None:
    """The join: it runs after either branch, where Airflow needs a trigger rule."""
    post(f"report {branch}")


@ms.workflow(name="branching")
async def branching(run: ms.Run, rows: int) -> str:
    """Choose a branch by a result."""
    chosen = load_all if await run.step(count_rows, rows) <= LIMIT else load_sample
    branch = await run.step(chosen, rows)
    await run.step(report, branch)
    return branch
