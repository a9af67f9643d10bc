"""Prefect's transactions: several tasks succeed together, or their rollback hooks run.

Try it:

    mainspring run release-transaction -m examples/ports/prefect/transactions.py version=7 check=fails
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def write_file(version: int) -> str:
    """Write the file of a version."""
    post(f"write v{version}")
    return f"v{version}.txt"


def delete_file(version: int, result: str | None = None) -> None:
    """The rollback hook, on_rollback in Prefect."""
    post(f"delete v{version}")


def check_file(name: str, check: str) -> None:
    """Fail the transaction, if the check fails."""
    if check == "fails":
        raise ms.Permanent(f"{name} is damaged")


@ms.workflow(name="release-transaction", on_failure="undo")
async def release(run: ms.Run, version: int, check: str = "passes") -> str:
    """The whole run is the transaction: `on_failure="undo"` calls the undo of each finished step."""
    name = await run.options(undo=delete_file).step(write_file, version)
    await run.step(check_file, name, check)
    return name
