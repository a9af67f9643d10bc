"""DBOS's `cancel_workflow` and `resume_workflow`: an operator stops a run between two steps, and lets it continue later.

Try it:

    mainspring run migrate-users -m examples/ports/dbos/pause_workflow.py users=6
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def migrate(user: int) -> int:
    """Migrate one user."""
    post(f"migrate {user}")
    return user


@ms.workflow(name="migrate-users")
async def migrate_users(run: ms.Run, users: int) -> int:
    """A pause lets the step under way finish. Nothing is lost, and nothing is done twice."""
    for user in range(users):
        await run.options(key=str(user)).step(migrate, user)
        if user == 2:
            await run.receive("go")
    return users
