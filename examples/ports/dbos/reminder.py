"""DBOS's "scheduled reminders": confirm now, remind after days. The sleep survives restarts.

Try it:

    mainspring run reminder -m examples/ports/dbos/reminder.py address=ana@example.com days=3
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def send_mail(address: str, subject: str) -> None:
    """Send a mail."""
    post(f"mail {subject} to {address}")


@ms.workflow(name="reminder", key="reminder:{address}")
async def reminder(run: ms.Run, address: str, days: float = 3.0) -> None:
    """Send both mails. The run key prevents a second reminder for the same address."""
    await run.options(key="confirmation").step(send_mail, address, "confirmation")
    await asyncio.sleep(days * 86_400)
    await run.options(key="reminder").step(send_mail, address, "reminder")
