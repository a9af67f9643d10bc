"""The automations of the demo: a workflow for the year, one for a file that is broken, and their steps. Read this file; the rest is stage.

Each step may be killed at any moment. Cleaning writes a file under another name and moves it; storing is one transaction that also
holds the step's own mark; telling the desk carries an idempotency key. So whatever ran again changed nothing.
"""

import asyncio
import json
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import mainspring as ms
from demo import cleaning, report, warehouse
from demo.witness import witness

LEAVE_OUT, COUNT = "leave-out", "count-as-cancelled"
COMPLETE = "COMPLETE"
"""The sender's mark that no more files will come."""


@dataclass(frozen=True)
class Arrived:
    """What lies in the inbox that was not seen before."""

    names: list[str]
    complete: bool


@dataclass(frozen=True)
class Day:
    """A file that was cleaned; `path` holds its rows."""

    file: str
    path: str
    flights: int
    rejected: int


@dataclass(frozen=True)
class Notice:
    """What the desk is told of a day."""

    desk: str
    file: str
    flights: int
    rejected: int


def look_into_inbox(folder: str, after: str) -> Arrived:
    """Return the files that came after the named one; the sender writes them in the order of their names."""
    complete = (Path(folder) / "inbox" / COMPLETE).exists()  # first: what comes later is seen by the next look
    names = sorted(path.name for path in (Path(folder) / "inbox").glob("*.csv"))
    return Arrived([name for name in names if name > after], complete)


@ms.step(isolate="process")  # two cores are used, and bad input that kills a process kills only that
def clean_file(path: str) -> Day:
    """Check and enrich each row of a file; write them beside it, all or nothing."""
    file = Path(path)
    witness(file.parent.parent, "clean", file.name)
    flights, rejected = cleaning.clean(file.name, file.read_bytes())
    target = file.parent.parent / "clean" / f"{file.stem}.json"
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps([flights, rejected]), encoding="utf-8")
    draft.replace(target)
    return Day(file.name, str(target), len(flights), len(rejected))


@ms.step(delivery="transactional")  # exactly once: the rows and the mark that they are there are one commit
def store_day(tx: ms.Tx, day: Day) -> str:
    """Put a day into the warehouse."""
    witness(Path(day.path).parent.parent, "store", day.file)
    flights, rejected = json.loads(Path(day.path).read_text(encoding="utf-8"))
    warehouse.store(tx, day.file, flights, rejected)
    return day.file


@ms.step(retry=ms.Retry(attempts=8, initial="300ms", max="3s"))
def tell_desk(notice: Notice) -> int:
    """Tell a service that is often away. Nothing here knows how: the engine reads what the error means, and obeys Retry-After."""
    body = json.dumps({"file": notice.file, "flights": notice.flights, "rejected": notice.rejected}).encode()
    request = urllib.request.Request(f"{notice.desk}/days", body, {"Idempotency-Key": ms.idempotency_key()})
    with urllib.request.urlopen(request, timeout=1.0) as answer:
        return int(answer.status)


def set_apart(folder: str, desk: str, name: str) -> str:
    """Tell that a file is broken, once it is saved that it is: what listens starts in the same commit."""
    return ms.publish("file.broken", {"folder": folder, "desk": desk, "name": name}, key=name)


@ms.step(delivery="transactional")
def add_up(tx: ms.Tx) -> warehouse.Figures:
    """Read the figures of the year."""
    return warehouse.figures(tx, cleaning.NEVER_LEFT)


def write_report(folder: str, figures: warehouse.Figures, answer: str, faults: list[report.Fault]) -> str:
    """Write the report and the list of rejected rows."""
    return report.write(Path(folder), figures, faults, count_cancelled=answer == COUNT)


@ms.workflow(title="flights of {year}", owner="demo", deadline="1h", runbook="demo/README.md")
async def take_in(run: ms.Run, year: int, folder: str, desk: str, ask_within: str) -> str:
    """Take a year of flights in, file by file as they arrive; return where the report is."""
    last, taken = "", 0
    faults: list[report.Fault] = []
    while True:
        arrived = await run.step(look_into_inbox, folder, last)
        if arrived.names:
            faults += await take_in_files(run, folder, desk, arrived.names)
            last = arrived.names[-1]
            taken += len(arrived.names)
            run.progress(taken)
        elif arrived.complete:
            break
        else:
            await asyncio.sleep(0.3)
    figures = await run.step(add_up)
    answer = await run.ask(
        f"{figures.rejected:,} rows of {year} are incomplete, {figures.reasons.get(cleaning.NEVER_LEFT, 0):,} of them flights "
        "that never left. How shall the report count those?",
        choices=[LEAVE_OUT, COUNT],
        within=ask_within,
        otherwise=LEAVE_OUT,
        evidence=figures.reasons,
    )
    return await run.step(write_report, folder, figures, answer, faults)


@ms.on.event("file.broken")
@ms.workflow(title="the file {name}", owner="demo", runbook="demo/README.md")
async def take_in_file(run: ms.Run, folder: str, desk: str, name: str) -> str:
    """Take one file in. A broken one fails here, under its own name: once somebody has mended it, a retry takes it in."""
    day = await run.step(clean_file, f"{folder}/inbox/{name}")
    await run.step(store_day, day)
    await run.step(tell_desk, Notice(desk, day.file, day.flights, day.rejected))
    return day.file


async def take_in_files(run: ms.Run, folder: str, desk: str, names: list[str]) -> list[report.Fault]:
    """Clean, store and announce some files; return those that cannot be used, each with a failed run of its own."""
    cleaned = await run.map(clean_file, [f"{folder}/inbox/{name}" for name in names], concurrency=4, on_error="collect")
    days = [day for day in cleaned if isinstance(day, Day)]
    await run.map(store_day, days, concurrency=2)
    notices = [Notice(desk, day.file, day.flights, day.rejected) for day in days]
    await run.map(tell_desk, notices, concurrency=8)
    faults = [
        report.Fault(names[place], fault.failure.message, fault.failure.hint or "")
        for place, fault in enumerate(cleaned)
        if isinstance(fault, ms.ItemFailed)
    ]
    for fault in faults:
        await run.step(set_apart, folder, desk, fault.file)
    return faults
