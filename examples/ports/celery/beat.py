"""Celery beat: a periodic task. No second service is needed, and missed times are seen and alerted.

Try it:

    mainspring auto next beat-report -m examples/ports/celery/beat.py
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="beat-report", every="1s", overlap="skip", misfire="last")
def beat_report() -> None:
    """Write a report; `overlap="skip"` replaces the lock that a beat task usually needs."""
    post("report")
