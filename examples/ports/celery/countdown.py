"""Celery's `apply_async(countdown=..., expires=...)`: start a task later, and not too late. Waiting runs are rows of the store.

Try it:

    mainspring run late-greeting -m examples/ports/celery/countdown.py name=ana
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="late-greeting", deadline="1h")
def late_greeting(name: str) -> str:
    """Greet. `deadline` ends the run, waiting included, which is what `expires` is for."""
    post(f"greet {name}")
    return f"hello {name}"


def greet_later(app: ms.App, name: str, seconds: float) -> "ms.Handle[str]":
    """Start it in some seconds; `at=` takes the place of countdown and eta."""
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    return app.options(at=due, key=f"greet:{name}").start_sync(late_greeting, name)
