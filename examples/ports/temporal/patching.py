"""Temporal's "patching": runs from before a change keep its old side, new ones take the new side.

Try it:

    mainspring run patching -m examples/ports/temporal/patching.py order=7
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def send_fax(order: int) -> str:
    """The way of the first version."""
    post(f"fax of {order}")
    return "fax"


def send_mail(order: int) -> str:
    """The way of the second version."""
    post(f"mail of {order}")
    return "mail"


@ms.workflow(name="patching")
async def patching(run: ms.Run, order: int) -> str:
    """`run.version` is `workflow.patched`: one answer for each run, which stays. `mainspring deploy check` lists runs of the old side."""
    await run.receive("confirm")
    if await run.version("send-mail", 2) < 2:
        return await run.step(send_fax, order)
    return await run.step(send_mail, order)
