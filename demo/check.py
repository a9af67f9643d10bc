"""The checks at the end: compare the warehouse with the sender's data, with the log of the steps that ran, and with the service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo import source
from demo.sandbox import Sandbox
from demo.sender import BROKEN
from demo.step_log import count_steps
from demo.warehouse import WarehouseReader


@dataclass(frozen=True)
class Check:
    """One check and its result."""

    passed: bool
    text: str


def run_checks(sandbox: Sandbox, run: str, killed_at: float) -> list[Check]:
    """Return the results of all checks."""
    return [*_rows(sandbox), *_files(sandbox), *_resume(sandbox, run, killed_at), *_service(sandbox)]


def _rows(sandbox: Sandbox) -> list[Check]:
    warehouse_reader = WarehouseReader(sandbox.folder / "warehouse.db")
    try:
        stored, rejected, twice = warehouse_reader.keys(), warehouse_reader.rejected(), warehouse_reader.written_twice()
    finally:
        warehouse_reader.close()
    expected = set(source.keys())
    missing, once = len(expected - set(stored)), len(stored) == len(set(stored)) == len(expected)
    named = sum(bool(row[-2]) for row in rejected)
    return [
        Check(
            once and missing == 0 and len(expected) == source.FLIGHTS,
            f"all {len(expected):,} rows of {source.DAYS} days are there, each once ({missing} missing, {twice} written twice)",
        ),
        Check(twice == 0, "no row was written a second time, though its step may have run again"),
        Check(
            named == len(rejected) == source.INCOMPLETE,
            f"{len(rejected):,} of them are incomplete; rejected.csv lists each with its reason",
        ),
    ]


def _files(sandbox: Sandbox) -> list[Check]:
    text = (sandbox.folder / "report.md").read_text(encoding="utf-8")
    failed = sandbox.count_failed("import_file", len(BROKEN))
    return [
        Check(
            all(name in text for name in BROKEN) and failed == len(BROKEN),
            f"each of the {len(BROKEN)} broken files has a failed run with the reason and the fix, which can be retried",
        )
    ]


def _resume(sandbox: Sandbox, run: str, killed_at: float) -> list[Check]:
    """Steps that were committed before the kill must not have run again."""
    steps = sandbox.read_json("runs", "show", run)["step_lines"]
    committed = [step for step in steps if step["state"] == "succeeded" and _ended(step) <= killed_at]
    counts = count_steps(sandbox.folder)
    again = sorted(started for started, times in counts.items() if times > 1 and started[1] not in BROKEN)
    done = {_place(step) for step in committed}
    listed = ", ".join(f"{step} {file}" for step, file in again[:3]) or "none"
    return [
        Check(
            len(committed) > 0 and not done & set(again),
            f"{len(committed):,} steps were committed before the kill: none of them ran again",
        ),
        Check(
            len(steps) > len(committed),
            f"{len(steps) - len(committed):,} steps ended after it; started a second time: {listed}",
        ),
    ]


def _ended(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["tries"][-1]["ended_at"]).timestamp()


def _place(step: dict[str, Any]) -> tuple[str, str]:
    """Return a step as the log of steps names it."""
    if step["name"] == "clean_file" and step["output"] is not None:
        return "clean", str(step["output"]["file"])
    return ("store", str(step["output"])) if step["name"] == "store_day" else (step["name"], step["ident"])


def _service(sandbox: Sandbox) -> list[Check]:
    counts = sandbox.service_counts()
    return [
        Check(
            counts["days"] == source.DAYS and counts["flights"] == source.FLIGHTS - source.INCOMPLETE,
            f"the service has all {counts['days']} days, each once, although it refused {counts['refused']} calls, reset {counts['reset']} "
            f"and answered {counts['late']} too late; it recognised {counts['repeated']} repeated calls by their idempotency key",
        )
    ]
