"""Clock steps for people: that the clock was set, by how much, what moved with it, and what waits for the wall clock."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.time.clock_step import PendingRequests, RunClockSteps, describe_step
from mainspring.insight.text.formatting import format_count, format_moment, format_span
from mainspring.store.base import StoreReader
from mainspring.store.read.status.clock_steps import RecordedStep, find_regression, recorded_steps

_NOTE_FOR_MS = 86_400_000
_COMMANDS: Final = {
    "start": ("start", "mainspring runs list --state queued"),
    "pause": ("pause", "mainspring auto list"),
    "snooze": ("snooze", "mainspring incidents list"),
}


class ClockReport(NamedTuple):
    """`notes` = steps of the last day; `waiting` = sentences on requests made while the clock was ahead, which still wait.

    Nothing waits any more after a person has resolved the incident of that step.
    """

    notes: list[str]
    waiting: list[str]


def report_clock(reader: StoreReader, now: int, zone: str) -> ClockReport:
    """Return the report on the clock at the instant `now` (ms)."""
    newest = recorded_steps(reader)
    steps = [step for step in newest if -MAX_CLOCK_LEAD_MS < now - step.at <= _NOTE_FOR_MS]
    regression = find_regression(reader, newest, now)
    waiting = [] if regression is None else list(_describe_written_ahead(regression.waiting, now, zone))
    return ClockReport([_describe_step(step, now, zone) for step in steps], waiting)


def _describe_step(step: RecordedStep, now: int, zone: str) -> str:
    at, moved = format_moment(step.at, now, zone), format_count(step.moved, "run")
    text = describe_step(step.by_ms)
    if not step.is_lived:
        text += " or more while no process was running; found"
    rest = "" if step.is_whole else "; more are still being moved"
    return f"{text[0].upper()}{text[1:]} at {at}: the waits, retries and deadlines of {moved} moved with it{rest}."


def _describe_written_ahead(found: Sequence[PendingRequests], now: int, zone: str) -> Iterator[str]:
    for ahead in found:
        noun, command = _COMMANDS[ahead.kind]
        waits = "waits" if ahead.number == 1 else "wait"
        until = f"{format_moment(ahead.until_at, now, zone)}, {format_span(ahead.until_at - now)} from now"
        yield (
            f"{format_count(ahead.number, noun)} requested while the clock was ahead {waits} for the wall clock, until {until}."
            f" See: {command}"
        )


def describe_steps_of_run(written: str | None, now: int, zone: str) -> Iterator[str]:
    """Yield a sentence for each step of the clock during a run."""
    for by_ms, at in RunClockSteps(written).lived:
        text = describe_step(by_ms)
        yield f"{text[0].upper()}{text[1:]} at {format_moment(at, now, zone)}; what it waited for moved with it."
