"""The check at the end: against the sender's own data, against the list of what really ran, and against the desk."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo import source
from demo.sender import BROKEN
from demo.stage import Stage
from demo.warehouse import Look
from demo.witness import begun


@dataclass(frozen=True)
class Fact:
    """Something that has to hold."""

    holds: bool
    text: str


def everything(stage: Stage, run: str, killed_at: float) -> list[Fact]:
    """Return all findings."""
    return [*_rows(stage), *_files(stage), *_resume(stage, run, killed_at), *_desk(stage)]


def _rows(stage: Stage) -> list[Fact]:
    look = Look(stage.folder / "warehouse.db")
    try:
        stored, rejected, twice = look.keys(), look.rejected(), look.written_twice()
    finally:
        look.close()
    wanted = set(source.keys())
    missing, once = len(wanted - set(stored)), len(stored) == len(set(stored)) == len(wanted)
    named = sum(bool(row[-2]) for row in rejected)
    return [
        Fact(
            once and missing == 0 and len(wanted) == source.FLIGHTS,
            f"all {len(wanted):,} rows of {source.DAYS} days are there, each once ({missing} missing, {twice} written twice)",
        ),
        Fact(twice == 0, "no row was written a second time, though its step may have run again"),
        Fact(
            named == len(rejected) == source.INCOMPLETE,
            f"{len(rejected):,} of them are incomplete and listed with their reasons in rejected.csv",
        ),
    ]


def _files(stage: Stage) -> list[Fact]:
    text = (stage.folder / "report.md").read_text(encoding="utf-8")
    failed = stage.until_failed("take_in_file", len(BROKEN))
    return [
        Fact(
            all(name in text for name in BROKEN) and failed == len(BROKEN),
            f"{len(BROKEN)} broken files are refused, each with why and what to do, and with a failed run that can be retried",
        )
    ]


def _resume(stage: Stage, run: str, killed_at: float) -> list[Fact]:
    """What was committed before the kill must not have run again; what was in flight must have."""
    steps = stage.ask("runs", "show", run)["step_lines"]
    kept = [step for step in steps if step["state"] == "succeeded" and _ended(step) <= killed_at]
    counts = begun(stage.folder)
    again = sorted(what for what, times in counts.items() if times > 1 and what[1] not in BROKEN)
    done = {_place(step) for step in kept}
    shown = ", ".join(f"{what} {file}" for what, file in again[:3]) or "none of those that are counted here"
    return [
        Fact(
            len(kept) > 0 and not done & set(again),
            f"{len(kept):,} outcomes were committed before the kill and kept: none of those steps ran again",
        ),
        Fact(len(steps) > len(kept), f"the other {len(steps) - len(kept):,} came after it; ran a second time: {shown}"),
    ]


def _ended(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["tries"][-1]["ended_at"]).timestamp()


def _place(step: dict[str, Any]) -> tuple[str, str]:
    """Return a step as the witness knows it."""
    if step["name"] == "clean_file" and step["output"] is not None:
        return "clean", str(step["output"]["file"])
    return ("store", str(step["output"])) if step["name"] == "store_day" else (step["name"], step["ident"])


def _desk(stage: Stage) -> list[Fact]:
    desk = stage.desk_figures()
    return [
        Fact(
            desk["days"] == source.DAYS and desk["flights"] == source.FLIGHTS - source.INCOMPLETE,
            f"the desk knows all {desk['days']} days, each once, though it refused {desk['refused']} calls, reset {desk['reset']}, "
            f"answered {desk['late']} too late and was called again for {desk['repeated']} it knew by their key",
        )
    ]
