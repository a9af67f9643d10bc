"""Airflow's asset watcher: each file that appears in a folder is an event that starts a run, which then deletes the file.

Try it:

    mkdir inbox && mainspring up -m examples/ports/airflow/asset_watcher.py
    mainspring auto graph -m examples/ports/airflow/asset_watcher.py
"""

from pathlib import Path

import mainspring as ms

INBOX = Path("inbox").resolve()
"""Below the folder in which the worker starts. The bare "inbox" would be beside this file."""


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def store_rows(name: str, rows: list[str]) -> int:
    """Store the rows of a file."""
    post(f"store {len(rows)} rows of {name}")
    return len(rows)


@ms.on.files(str(INBOX), pattern="*.csv", settle="100ms", every="200ms", after_success="delete")
@ms.task(name="asset-watcher", title="{file.name}")
def load_file(file: ms.File) -> int:
    """Load one file. Each content at each path counts once; Airflow's FileDeleteTrigger deletes the file before the run."""
    return store_rows(file.name, file.as_path().read_text(encoding="utf-8").splitlines())


@ms.on.run("asset-watcher")
@ms.task(name="refresh-report")
def refresh_report(end: ms.Event) -> None:
    """The DAG that is scheduled by the asset. It gets the result of the run before it."""
    post(f"report with {end.data['result']} new rows")
