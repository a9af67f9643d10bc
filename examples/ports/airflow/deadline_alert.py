"""Airflow's deadline alert (before: SLA): people are notified that a run takes too long, while it still works.

Try it:

    mainspring run late-report -m examples/ports/airflow/deadline_alert.py day=2026-11-30
    mainspring incidents list
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def write_report(day: str) -> str:
    """Write the report of a day."""
    post(f"report of {day}")
    return day


@ms.workflow(name="late-report", slow="1s", tier="page", deadline="2d", owner="ana", runbook="runbooks/late-report.md")
async def late_report(run: ms.Run, day: str) -> str:
    """`slow=` notifies, `deadline=` ends the run. For a run that never starts there is `silence=`, which a schedule sets by itself."""
    return await run.step(write_report, day)
