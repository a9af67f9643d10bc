"""Temporal's "money transfer": withdraw, deposit, and refund if the deposit fails for good.

Try it:

    mainspring run money-transfer -m examples/ports/temporal/money_transfer.py source=ana target=bob cents=900 reference=T1
"""

from pathlib import Path

import mainspring as ms

CLOSED_ACCOUNTS = {"closed"}


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def withdraw(account: str, cents: int) -> str:
    """Take the money; return the id of the booking."""
    post(f"withdraw {cents} from {account}")
    return f"W-{account}-{cents}"


def deposit(account: str, cents: int) -> str:
    """Pay the money in. A closed account is a permanent error: Temporal's non-retryable error type."""
    if account in CLOSED_ACCOUNTS:
        raise ms.Permanent(f"account {account} is closed")
    post(f"deposit {cents} to {account}")
    return f"D-{account}-{cents}"


def refund(account: str, cents: int, result: str | None = None) -> None:
    """Undo of `withdraw`; `result` is its booking, None if it is unknown whether it happened."""
    post(f"refund {cents} to {account} ({result})")


@ms.workflow(name="money-transfer", key="transfer:{reference}", on_failure="undo")
async def money_transfer(run: ms.Run, source: str, target: str, cents: int, reference: str) -> str:
    """Move money between two accounts; `on_failure="undo"` refunds it if the run fails."""
    withdrawn = await run.options(undo=refund).step(withdraw, source, cents)
    deposited = await run.options(retry=ms.Retry(attempts=5)).step(deposit, target, cents)
    return f"{withdrawn} {deposited}"
