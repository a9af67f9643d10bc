"""A report of a folder in a Git repository, one commit for each day, however often it is started.

    git init --bare reports.git
    mainspring run publish-report -m examples/publish_report.py remote=$PWD/reports.git folder=. day=2026-11-30

Teaches: a checkout that belongs to an automation; a commit that is pushed once, because the remote is searched for it; a branch to which
others push too.
"""

import os
from pathlib import Path

import mainspring as ms
from mainspring.actions import files, git

BRANCH = "main"


def measure(folder: str) -> str:
    """Return a table of the files, the largest first."""
    found = [(entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.is_file()]
    rows = sorted(found, key=lambda file: (-file[1], file[0]))
    return "".join(f"{size:>12,}  {name}\n" for name, size in rows)


def publish(remote: str, day: str, table: str) -> str:
    """Write the report into the checkout and push it; return the commit."""
    checkout = Path("checkouts", "reports")
    git.checkout(remote, checkout, discard=True, make_folders=True)
    files.write(f"{day}.txt", table, root=checkout)
    pushed = git.push(checkout, f"Report of {day}", paths=[f"{day}.txt"], branch=BRANCH, once=f"report:{day}")
    return pushed.commit


@ms.workflow(name="publish-report", owner="you")
async def publish_report(run: ms.Run, remote: str, folder: str, day: str) -> str:
    """Measure a folder, and publish the table once for its day."""
    table = await run.step(measure, folder)
    return await run.step(publish, remote, day, table)
