"""Each automation as people see it in a list: who answers for it, what starts it, how it stands, how its last runs went."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, NO_OVERRIDES, TuningTable
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.states import RunState
from mainspring.domain.triggers.event_sources import JoinedRunsSource, RunEndSource
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.automation_health import read_automation_health
from mainspring.insight.automations.source_description import describe_source
from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
from mainspring.insight.text import quantile
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import automation_stats as reads
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.views import AutomationView

SHOWN_RUNS = 50
"""Runs that are drawn of each."""
DAYS = 7
_DAY_MS = 86_400_000
_NEVER = 2**63 - 1


class AutomationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One automation. `state` tells whether it comes in time, `incident` whether it is well: the loudest that is not resolved.

    `due_at` = when its next success is due, `late_at` = when that is missed; `silence` = the rule in words.

    `succeeded`, `failed` and `success_share` are of seven days; `p95_ms` is that of those of its newest 50 runs that succeeded;
    `runs` are the newest, newest first.
    """

    name: str
    kind: str
    owner: str | None
    team: str | None
    tags: dict[str, str]
    tier: str
    zone: str
    starts: list[str]
    state: AutomationState
    since_at: int | None
    why: str
    incident: Incident | None
    due_at: int | None
    late_at: int | None
    last_good_at: int | None
    silence: str
    succeeded: int
    failed: int
    success_share: float | None
    p95_ms: int | None
    runs: list[RunMark]


def list_automation_lines(
    reader: StoreReader,
    views: Sequence[AutomationView],
    now: int,
    tunings: TuningTable = DEFAULT_TUNINGS,
    own: TuningOverrides = NO_OVERRIDES,
    *,
    incidents: Iterable[Incident] = (),
    may_see: Callable[[str], bool] = lambda _: True,
    runs: int = SHOWN_RUNS,
    zone: str = "UTC",
) -> list[AutomationLine]:
    """Return a line for each of these automations, with so many of its runs: a handful of reads, for a page of them, not thousands.

    `incidents` = those that are not resolved, also those that are part of others; `zone` = that of the project.
    """
    names = [view.name for view in views]
    standing = read_automation_health(reader, names, now, tunings, own)
    newest = reads.newest_runs(reader, names, SHOWN_RUNS)
    ended = reads.ended_between(reader, names, now - DAYS * _DAY_MS, _NEVER)
    worst, lines = most_severe_by_automation(incidents), []
    for view in views:
        definition, found = read_definition(view), standing.get(view.name)
        if found is None:  # forgotten between two reads
            continue
        succeeded, failed = ended.get(view.name, (0, 0))
        lines.append(
            AutomationLine(
                name=view.name,
                kind=view.kind,
                owner=_option_value(definition, "owner"),
                team=_option_value(definition, "team"),
                tags=definition.option("tags") if definition is not None else {},
                tier=_option_value(definition, "tier") or "notify",
                zone=zone_name_of(definition, zone),
                starts=describe_starts(definition, may_see),
                state=found.state,
                since_at=found.since_at,
                why=found.why,
                incident=worst.get(view.name),
                due_at=found.due_at,
                late_at=found.late_at,
                last_good_at=found.last_good_at,
                silence=found.silence,
                succeeded=succeeded,
                failed=failed,
                success_share=succeeded / (succeeded + failed) if succeeded + failed else None,
                p95_ms=duration_at_share(newest[view.name], 0.95),
                runs=newest[view.name][:runs],
            )
        )
    return lines


def zone_name_of(definition: Definition | None, project: str) -> str:
    """Return the zone on whose clock an automation lives: its own, else that of its schedule, else the project's."""
    if definition is None:
        return project
    schedules = [one.tz for one in definition.schedules if one.has_time_of_day]
    return str(definition.option("tz") or next(iter(schedules), project))


def describe_starts(definition: Definition | None, may_see: Callable[[str], bool]) -> list[str]:
    """Return what starts it, in words; of another automation that may not be seen no name."""
    if definition is None:
        return []
    found = [schedule.describe() for schedule in definition.schedules]
    return [*found, *(describe_visible_source(trigger.source, may_see) for trigger in definition.triggers.values())]


def describe_visible_source(source: object, may_see: Callable[[str], bool]) -> str:
    """Return what a trigger listens to, in words; of automations that may not be seen no name."""
    match source:
        case RunEndSource(automation=name) if not may_see(name):
            return "a run of another automation"
        case JoinedRunsSource(automations=names) if not all(map(may_see, names)):
            return "runs of other automations"
        case _:
            return describe_source(source)


def duration_at_share(runs: Sequence[RunMark], share: float) -> int | None:
    """Return how long this share of the runs that succeeded took at most."""
    took = [one.took_ms for one in runs if one.state is RunState.SUCCEEDED and one.took_ms is not None]
    return quantile.exact_quantile(took, share)


def _option_value(definition: Definition | None, name: str) -> str | None:
    return None if definition is None else definition.option(name)
