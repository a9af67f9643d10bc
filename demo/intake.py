"""The intake of the demo, its automations: a workflow for the year, one for a broken file, and their steps. Read this file first.

Each step may be killed at any moment. Cleaning writes a file that appears at once and whole (`files.write`). Storing is one transaction,
which also records that the step is done. A report to the service carries an idempotency key (`http.request`). So a step that runs again
changes nothing.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import mainspring as ms
from demo import cleaning, report, warehouse
from demo.step_log import log_step
from mainspring.actions import files, http

LEAVE_OUT, COUNT = "leave-out", "count-as-cancelled"
COMPLETE = "COMPLETE"
"""The sender creates this file after the last one."""


@dataclass(frozen=True)
class NewFiles:
    """The files of the inbox that were not listed before."""

    names: list[str]
    complete: bool


@dataclass(frozen=True)
class Day:
    """A cleaned file; `path` contains its rows."""

    file: str
    path: str
    flights: int
    rejected: int


@dataclass(frozen=True)
class DayReport:
    """The report about one day for the service at `service_url`."""

    service_url: str
    file: str
    flights: int
    rejected: int


def list_new_files(folder: str, after: str) -> NewFiles:
    """Return the files that came after the named one; the sender writes them in the order of their names."""
    complete = (Path(folder) / "inbox" / COMPLETE).exists()  # first, so that a later file is in the next list
    names = sorted(path.name for path in (Path(folder) / "inbox").glob("*.csv"))
    return NewFiles([name for name in names if name > after], complete)


@ms.step(isolate="process")  # two cores are used, and bad input that kills a process kills only that
def clean_file(path: str) -> Day:
    """Check and enrich each row of a file; write them to a file beside it, all or nothing."""
    file = Path(path)
    log_step(file.parent.parent, "clean", file.name)
    flights, rejected = cleaning.clean(file.name, file.read_bytes())
    target = file.parent.parent / "clean" / f"{file.stem}.json"
    files.write(target, json.dumps([flights, rejected]))
    return Day(file.name, str(target), len(flights), len(rejected))


@ms.step(delivery="transactional")  # exactly once: the rows and the mark that they are there are one commit
def store_day(tx: ms.Tx, day: Day) -> str:
    """Store a day in the warehouse."""
    log_step(Path(day.path).parent.parent, "store", day.file)
    flights, rejected = json.loads(Path(day.path).read_text(encoding="utf-8"))
    warehouse.store(tx, day.file, flights, rejected)
    return day.file


@ms.step(retry=ms.Retry(attempts=8, initial="300ms", max="3s"))
def report_day(day_report: DayReport) -> int:
    """Report a day to a service that often fails. Mainspring classifies the errors and obeys Retry-After, so no code here does.

    The service drops duplicates by the Idempotency-Key (`keyed`), so an unknown outcome is reported again under the same key.
    """
    body = {"file": day_report.file, "flights": day_report.flights, "rejected": day_report.rejected}
    url = f"{day_report.service_url}/days"
    return http.request(
        "POST", url, json=body, once=f"report {day_report.file}", keyed=True, timeout="1s", allow=["127.0.0.1"]
    ).status


def publish_broken_file(folder: str, service_url: str, name: str) -> str:
    """Publish that a file is broken. `import_file` starts in the commit that saves this step."""
    return ms.publish("file.broken", {"folder": folder, "service_url": service_url, "name": name}, key=name)


@ms.step(delivery="transactional")
def add_up(tx: ms.Tx) -> warehouse.YearTotals:
    """Read the totals of the year."""
    return warehouse.read_totals(tx, cleaning.NEVER_LEFT)


def write_report(folder: str, totals: warehouse.YearTotals, answer: str, faults: list[report.Fault]) -> str:
    """Write the report and the list of rejected rows."""
    return report.write(Path(folder), totals, faults, count_cancelled=answer == COUNT)


@ms.workflow(title="flights of {year}", owner="demo", deadline="1h", runbook="demo/README.md")
async def import_year(run: ms.Run, year: int, folder: str, service_url: str, ask_within: str) -> str:
    """Import a year of flights, file by file as they arrive; return the path of the report."""
    last, imported = "", 0
    faults: list[report.Fault] = []
    while True:
        new_files = await run.step(list_new_files, folder, last)
        if new_files.names:
            faults += await import_files(run, folder, service_url, new_files.names)
            last = new_files.names[-1]
            imported += len(new_files.names)
            run.progress(imported)
        elif new_files.complete:
            break
        else:
            await asyncio.sleep(0.3)
    totals = await run.step(add_up)
    answer = await run.ask(
        f"{totals.rejected:,} rows of {year} are incomplete, {totals.reasons.get(cleaning.NEVER_LEFT, 0):,} of them flights "
        "that never left. How shall the report count those?",
        choices=[LEAVE_OUT, COUNT],
        within=ask_within,
        otherwise=LEAVE_OUT,
        evidence=totals.reasons,
    )
    return await run.step(write_report, folder, totals, answer, faults)


@ms.on.event("file.broken")
@ms.workflow(title="the file {name}", owner="demo", runbook="demo/README.md")
async def import_file(run: ms.Run, folder: str, service_url: str, name: str) -> str:
    """Import one file. A broken file fails here, in a run of its own: after you have corrected the file, retry the run."""
    day = await run.step(clean_file, f"{folder}/inbox/{name}")
    await run.step(store_day, day)
    await run.step(report_day, DayReport(service_url, day.file, day.flights, day.rejected))
    return day.file


async def import_files(run: ms.Run, folder: str, service_url: str, names: list[str]) -> list[report.Fault]:
    """Clean, store and report some files; return the broken ones, each of which gets a failed run of its own."""
    cleaned = await run.map(clean_file, [f"{folder}/inbox/{name}" for name in names], concurrency=4, on_error="collect")
    days = [day for day in cleaned if isinstance(day, Day)]
    await run.map(store_day, days, concurrency=2)
    reports = [DayReport(service_url, day.file, day.flights, day.rejected) for day in days]
    await run.map(report_day, reports, concurrency=8)
    faults = [
        report.Fault(names[place], fault.failure.message, fault.failure.hint or "")
        for place, fault in enumerate(cleaned)
        if isinstance(fault, ms.ItemFailed)
    ]
    for fault in faults:
        await run.step(publish_broken_file, folder, service_url, fault.file)
    return faults
