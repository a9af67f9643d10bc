"""List of automations as people see them: owner, what starts each one, its health, its last runs."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, NO_OVERRIDES, TuningTable
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.states import RunState
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.automation_health import read_automation_health
from mainspring.insight.automations.schedule_list import describe_created, group_created_schedules
from mainspring.insight.automations.source_description import describe_source
from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
from mainspring.insight.text import quantile
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import automation_stats
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.schema.triggers.schedules import CreatedSchedule
from mainspring.store.views import AutomationView

LISTED_RUNS = 50
"""Most runs that are shown of each."""
DAYS = 7
_DAY_MS = 86_400_000
_NEVER = 2**63 - 1


class AutomationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One automation. `state` = whether it is on time, `incident` = its most severe unresolved incident.

    `due_at` = when its next success is due, `late_at` = when it counts as missed; `silence` = the rule in words.

    `succeeded`, `failed` and `success_share` are of seven days; `p95_ms` is that of the successful ones of its newest 50 runs; `runs` are
    the newest, newest first.
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
    may_view: Callable[[str], bool] = lambda _: True,
    runs: int = LISTED_RUNS,
    zone: str = "UTC",
) -> list[AutomationLine]:
    """Return a line for each of these automations, with its newest runs, in a handful of reads: for a page, not for thousands.

    `incidents` = the unresolved ones, grouped ones too; `zone` = that of the project.
    """
    names = [view.name for view in views]
    health_by_name = read_automation_health(reader, names, now, tunings, own)
    newest = automation_stats.newest_runs(reader, names, LISTED_RUNS)
    ended = automation_stats.ended_between(reader, names, now - DAYS * _DAY_MS, _NEVER)
    created = group_created_schedules(reader)
    worst, lines = most_severe_by_automation(incidents), []
    for view in views:
        definition, found = read_definition(view), health_by_name.get(view.name)
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
                starts=describe_starts(definition, may_view, created.get(view.name, ())),
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
    """Return the zone of an automation: its own, else that of its schedule, else the project's."""
    if definition is None:
        return project
    schedules = [schedule.tz for schedule in definition.schedules if schedule.has_time_of_day]
    return str(definition.option("tz") or next(iter(schedules), project))


def describe_starts(
    definition: Definition | None, may_view: Callable[[str], bool], created: Sequence[CreatedSchedule] = ()
) -> list[str]:
    """Return what starts an automation, in words, without names of automations that the caller may not see; `created` = its schedules that
    are not in code.
    """
    if definition is None:
        return []
    starts = [*(schedule.describe() for schedule in definition.schedules), *describe_created(created)]
    return [*starts, *(describe_visible_source(trigger.source, may_view) for trigger in definition.triggers.values())]


def describe_visible_source(source: TriggerSource, may_view: Callable[[str], bool]) -> str:
    """Return what a trigger listens to, in words, without names of automations that the caller may not see."""
    upstream = source.upstream()
    if all(map(may_view, upstream)):
        return describe_source(source)
    return "a run of another automation" if len(upstream) == 1 else "runs of other automations"


def duration_at_share(runs: Sequence[RunMark], share: float) -> int | None:
    """Return the quantile of the durations of the successful runs."""
    durations = [run.duration_ms for run in runs if run.state is RunState.SUCCEEDED and run.duration_ms is not None]
    return quantile.exact_quantile(durations, share)


def _option_value(definition: Definition | None, name: str) -> str | None:
    return None if definition is None else definition.option(name)
