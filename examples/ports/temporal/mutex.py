"""Temporal's "mutex": workflows that use one resource take turns. Temporal needs a workflow for the lock; here it is `ms.lock` in a step.

Try it:

    mainspring run mutex -m examples/ports/temporal/mutex.py resource=disk user=ana
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def use_exclusively(resource: str, user: str) -> str:
    """Use the resource while no one else does. A killed worker holds the lock no longer."""
    with ms.lock(resource, within="1m"):
        post(f"{user} begins with {resource}")
        with Path(f"{resource}.use").open("a", encoding="utf-8") as record:
            record.write(f"{user} in\n")
            record.write(f"{user} out\n")
    return user


@ms.workflow(name="mutex")
async def mutex(run: ms.Run, resource: str, user: str) -> str:
    """Wait for the resource, and use it."""
    return await run.step(use_exclusively, resource, user)
