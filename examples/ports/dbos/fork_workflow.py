"""DBOS's `fork_workflow`: a new run from a step of an ended one, for example after a fix. Earlier steps are not repeated.

Try it:

    mainspring run monthly-bill -m examples/ports/dbos/fork_workflow.py month=2026-03
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def collect(month: str) -> int:
    """Collect the sums: the expensive part."""
    post(f"collect {month}")
    return 41


def print_bill(month: str, total: int) -> str:
    """Print the bill, by the rule in `rule.txt`."""
    extra = int(Path("rule.txt").read_text(encoding="utf-8")) if Path("rule.txt").exists() else 0
    post(f"bill {month}: {total + extra}")
    return f"{month}: {total + extra}"


@ms.workflow(name="monthly-bill")
async def monthly_bill(run: ms.Run, month: str) -> str:
    """`app.fork(run_id, "print_bill")` makes the bill again, with the collected sums."""
    return await run.step(print_bill, month, await run.step(collect, month))
