"""Upcoming and present work: runs with their usual durations, due times, silence, the last runs of failing automations.

Reads only, each bounded.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.incidents.incident import Incident, IncidentKind
from mainspring.domain.monitors.inputs import DurationHistory
from mainspring.domain.states import IncidentState
from mainspring.domain.time.schedule import Schedule
from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
from mainspring.insight.runs.waits import (
    answer_command,
    default_choice,
    list_choices,
    name_if_many,
    name_question,
    read_form,
    read_question,
)
from mainspring.insight.text.formatting import escape_line
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.agenda import next_slots
from mainspring.store.read.automations.automation_stats import RunMark, newest_runs
from mainspring.store.read.automations.monitor_reads import durations
from mainspring.store.read.runs.run_views import automations_of
from mainspring.store.views import AutomationView, RunRow, WaitView

STRIPS: Final = 30
CELLS: Final = 50
_WEEK_MS = 7 * 86_400_000
_USUAL_SHARE = 0.95
_LEAST = 10
"""With fewer runs there is no usual duration."""


class SilentAutomation(msgspec.Struct, frozen=True, kw_only=True):
    """An automation that was expected and did not succeed; `expected` in words, `missed` = slots, None = not known."""

    automation: str
    incident: str
    state: IncidentState
    since_at: int
    expected: str | None
    last_good_at: int | None
    missed: int | None


class OpenQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that waits for a person; `choices` empty = any text; `otherwise` = the choice if no one answers in time.

    `name` = by which an answer names it, `fields` = those of its form, `assignee` = who is to answer it now.
    """

    automation: str
    run: str
    ident: str
    text: str
    choices: list[str]
    otherwise: str | None
    opened_at: int
    until_at: int | None
    command: str
    name: str = ""
    assignee: str | None = None
    fields: list[str] = []


class RunProgress(msgspec.Struct, frozen=True):
    """A running run; 95 of 100 took at most `usual_ms`, None = too few are known."""

    run: RunRow
    usual_ms: int | None


class UpcomingDueTime(msgspec.Struct, frozen=True):
    """The next due time, in the zone of its schedule; `said` = the schedule in words."""

    automation: str
    due_at: int
    zone: str
    said: str


class AutomationRuns(msgspec.Struct, frozen=True):
    """The newest runs of an automation, newest first; `incident` = its most severe unresolved one."""

    automation: str
    incident: Incident | None
    is_paused: bool
    problem: str | None
    runs: list[RunMark]


def list_silent(incidents: Iterable[Incident]) -> list[SilentAutomation]:
    """Return the silent automations of these incidents."""
    return [_build_silent(incident) for incident in incidents if incident.subject.kind is IncidentKind.SILENCE]


def list_open_questions(reader: StoreReader, waits: Sequence[WaitView], now: int) -> list[OpenQuestion]:
    """Return open questions with the automations that ask them, and who is to answer each at the instant `now`."""
    names = automations_of(reader, [wait.run for wait in waits])
    by_run: dict[str, list[WaitView]] = {}
    for wait in waits:
        by_run.setdefault(wait.run, []).append(wait)
    return [
        OpenQuestion(
            automation=names.get(wait.run, ""),
            run=wait.run,
            ident=wait.ident,
            text=escape_line(read_question(wait).get("text", ""), 200),
            choices=list_choices(wait),
            otherwise=default_choice(wait),
            opened_at=wait.opened_at,
            until_at=wait.until_at,
            command=answer_command(wait, name_if_many(wait, by_run[wait.run])),
            name=name_question(wait, by_run[wait.run]),
            assignee=wait.assignee_at(now),
            fields=list((read_form(wait) or {}).get("properties", ())),
        )
        for wait in waits
    ]


def list_running(reader: StoreReader, rows: Sequence[RunRow], now: int) -> list[RunProgress]:
    """Return running runs with the usual durations of their automations, from one week."""
    names = {row.automation for row in rows}
    usual = {
        name: _usual_duration(buckets) for name, (buckets, _) in durations(reader, names, now - _WEEK_MS, now).items()
    }
    return [RunProgress(row, usual.get(row.automation)) for row in rows]


def list_upcoming(reader: StoreReader, automations: Sequence[str] | None, limit: int = 10) -> list[UpcomingDueTime]:
    """Return the next due times, the earliest first."""
    found = []
    for slot in next_slots(reader, automations, limit):
        schedule = Schedule.from_data(msgspec.json.decode(slot.spec))
        found.append(UpcomingDueTime(slot.automation, slot.slot_at, schedule.tz, _describe_schedule(schedule)))
    return found


@lru_cache(maxsize=65_536)  # describing a cron expression takes long, and every request needs it
def _describe_schedule(schedule: Schedule) -> str:
    return schedule.describe()


def list_run_histories(
    reader: StoreReader, views: Iterable[AutomationView], incidents: Iterable[Incident], now: int, limit: int = STRIPS
) -> list[AutomationRuns]:
    """Return the newest runs of automations, failing ones first, at most `limit` of them."""
    worst = most_severe_by_automation(incidents)
    alive = [view for view in views if view.retired_at is None]
    chosen = sorted(alive, key=lambda view: (*_order_key(worst.get(view.name), view.problem), view.name))[:limit]
    runs = newest_runs(reader, [view.name for view in chosen], CELLS)
    return [
        AutomationRuns(view.name, worst.get(view.name), is_paused(view, now), view.problem, runs[view.name])
        for view in chosen
    ]


def _order_key(incident: Incident | None, problem: str | None) -> tuple[bool, bool, int]:
    """Return the sort key of an automation: open and severe first."""
    if incident is None:
        return problem is None, True, 0
    return False, incident.state is not IncidentState.OPEN, incident.severity.rank


def _build_silent(incident: Incident) -> SilentAutomation:
    facts = incident.facts
    expected, good_at, missed = facts.get("expected"), facts.get("last_good_at"), facts.get("missed")
    return SilentAutomation(
        automation=incident.subject.automation,
        incident=incident.id,
        state=incident.state,
        since_at=incident.since_at,
        expected=expected if isinstance(expected, str) else None,
        last_good_at=good_at if isinstance(good_at, int) else None,
        missed=missed if isinstance(missed, int) else None,
    )


def _usual_duration(buckets: dict[int, int]) -> int | None:
    history = DurationHistory(buckets=tuple(sorted(buckets.items())), over_ms=_WEEK_MS, busiest_hour=0)
    return int(2 ** history.bucket_at(_USUAL_SHARE)) if history.runs >= _LEAST else None
