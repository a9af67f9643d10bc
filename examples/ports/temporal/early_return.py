"""Temporal's "early return": start and update are one commit. The caller gets a reply at once, and the run finishes alone.

Try it:

    mainspring run early-return -m examples/ports/temporal/early_return.py payment=P1 cents=500
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def authorize(payment: str, cents: int) -> str:
    """Check the payment: the fast part, for which the caller waits."""
    if cents > 100_000:
        raise ms.Permanent("the amount is above the limit")
    post(f"authorize {payment}")
    return f"A-{payment}"


def capture(authorization: str) -> str:
    """Take the money: the slow part."""
    post(f"capture {authorization}")
    return f"captured {authorization}"


@ms.workflow(name="early-return", key="payment:{payment}")
async def early_return(run: ms.Run, payment: str, cents: int) -> str:
    """Reply with the authorization as soon as it is there, then capture it."""
    authorized = asyncio.ensure_future(run.step(authorize, payment, cents))

    @run.on_update("authorization")
    async def wait_for_authorization() -> str:
        return await asyncio.shield(authorized)

    try:
        authorization = await authorized
    except ms.StepFailed:
        return "refused"  # a run that returns waits for its updates; this one replies with the error
    return await run.step(capture, authorization)


def pay(app: ms.App, payment: str, cents: int) -> tuple[ms.Handle[str], str]:
    """Start the payment and wait for its authorization: one commit, one reply."""
    update = ms.Update("authorization", type=str)
    return app.start_with_update_sync(update, early_return, payment, cents)
