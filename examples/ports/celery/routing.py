"""Celery's routing and priorities: a queue for each kind of work, and urgent work first.

Try it:

    mainspring run resize -m examples/ports/celery/routing.py image=cat.png
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="resize", queue="images")
def resize(image: str) -> str:
    """`queue=` is `task_routes`."""
    post(f"resize {image}")
    return f"small {image}"


@ms.task(name="send-code", queue="images", priority=9)
def send_code(user: str) -> str:
    """A higher `priority` starts first in its queue."""
    post(f"code for {user}")
    return user
