"""Temporal's "expense": the workflow waits for a person. A query shows its state, and a timer refuses what no one answers.

Try it:

    mainspring run expense-approval -m examples/ports/temporal/expense_approval.py expense=E1 cents=12000
    mainspring runs answer @last approve           (in a second terminal; or `reject`)
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def pay(expense: str, cents: int) -> None:
    """Pay the expense."""
    post(f"pay {cents} for {expense}")


@ms.workflow(name="expense-approval", key="expense:{expense}")
async def expense_approval(run: ms.Run, expense: str, cents: int, within: str = "10d") -> str:
    """Ask for an approval, then pay. `run.ask` replaces the signal, its validation, the timer and the query of the sample."""
    state = "waiting"

    @run.on_query("state")
    def read_state() -> str:
        return state

    state = await run.ask(
        f"Pay {cents / 100:.2f} for {expense}?", choices=["approve", "reject"], within=within, otherwise="reject"
    )
    if state == "approve":
        await run.step(pay, expense, cents)
    return state
