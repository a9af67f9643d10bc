"""Reads for monitors: one statement per kind of data, for all automations or for the named ones. Instants are ms UTC."""

import json
from collections.abc import Iterable

import msgspec

from mainspring.domain.ids import make_id
from mainspring.domain.processes.stall import Stall
from mainspring.domain.runs.journal import QuestionPlan
from mainspring.domain.runs.output_size import bucket_minimum
from mainspring.domain.states import RunState
from mainspring.domain.time.punctuality import SlotStart
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import GROUPS
from mainspring.store.run_end_counts import MANUAL_VERBS
from mainspring.store.schema.row import first_values
from mainspring.store.schema.runs.stalled_attempts import STALL_OF_AUTOMATION
from mainspring.store.transaction import Rows
from mainspring.store.views import AutomationView

CAP = 100_000
"""Limit of the counts of new and ended runs of queues."""
MOST_OPERATIONS = 200_000
"""How many of the newest operations are searched."""
_QUESTIONS = 10_000
_STALLS = 1_000
_HOUR_MS = 3_600_000
_NEVER = 2**63 - 1
_BUCKET = "ms<=2^"


class PlannedView(msgspec.Struct, frozen=True):
    """A schedule that has not ended; `unbegun_at`, `unbegun_run` = the oldest slot whose run has not started."""

    name: str
    automation: str
    spec: bytes
    low_water_at: int
    spec_at: int | None
    next_slot_at: int | None
    unbegun_at: int | None
    unbegun_run: str | None
    options: str | None = None
    """Of a created schedule its options as JSON."""
    resumed_at: int | None = None
    """The end of its last pause."""


class EndView(msgspec.Struct, frozen=True):
    """The end of a run."""

    automation: str
    run: str
    state: RunState
    started_at: int | None
    finished_at: int
    output_size: int | None


class MonitoredTrigger(msgspec.Struct, frozen=True):
    """A trigger that has not ended; `definition` is domain.triggers.trigger.Trigger as JSON."""

    name: str
    automation: str
    definition: bytes


class RoleHeartbeat(msgspec.Struct, frozen=True):
    """When a process of a role last gave a sign of life, ended, and died."""

    role: str
    seen_at: int | None
    ended_at: int | None
    died_at: int | None


class MonitorRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of all automations for monitors, from one commit's view; dictionaries are by automation."""

    automations: list[AutomationView]
    schedules: list[PlannedView]
    listeners: list[MonitoredTrigger]
    pauses_ended: dict[str, int]
    succeeded_in: dict[str, int]
    """The minute of the last success, or its hour."""
    ended: dict[str, tuple[int, int]]
    """Succeeded and failed since `ended_from`."""
    started: dict[str, int]
    """Started in the last hour."""
    running: dict[str, int]
    waiting: list[tuple[str, str, int, int]]
    """(automation, queue, number, since)."""
    groups: list[tuple[str, str, int, str, int, int]]
    """(queue, automation, version, tag, number, since) of the same, without paused ones."""
    questions: list[tuple[str, str, int, int | None, str, QuestionPlan]]
    """(automation, run, opened, until, identity, plan)."""
    rejected: list[tuple[str, str, str, str, int]]
    """(automation, run, kind, name, since)."""
    stalls: dict[str, list[Stall]]
    roles: list[RoleHeartbeat]


def read_monitor_rows(reader: StoreReader, now_at: int, *, ended_from: int, cap: int, steady_ms: int) -> MonitorRows:
    """Return the rows that each evaluation needs; waiting runs of one group are counted up to `cap`; a life that ended
    by death counts from `steady_ms` on.
    """
    with reader.snapshot() as read:
        ended = read("sum_rollups", (ended_from - ended_from % 60_000,))
        hour = read("sum_rollups", (now_at - _HOUR_MS - now_at % 60_000,)) if ended_from != now_at - _HOUR_MS else ended
        ready = read("measure_ready_groups", (now_at, cap, GROUPS))
        return MonitorRows(
            automations=[AutomationView(*row) for row in read("list_automations")],
            schedules=[PlannedView(*row) for row in read("list_monitored_schedules")],
            listeners=[MonitoredTrigger(*row) for row in read("list_monitored_triggers")],
            pauses_ended=_pairs(read("list_last_pauses", (now_at,))),
            succeeded_in=_pairs(read("list_last_successes")),
            ended=_ends(ended),
            started={name: int(started) for name, started, *_ in hour},
            running=_pairs(read("list_oldest_running")),
            waiting=[(automation, queue, number, since) for queue, automation, _, _, _, number, since in ready],
            groups=[
                (queue, automation, version, tag, number, since)
                for queue, automation, version, tag, paused_until, number, since in ready
                if paused_until is None
            ],
            questions=[
                (automation, run, opened_at, until_at, ident, QuestionPlan(*plan))
                for automation, run, opened_at, until_at, ident, *plan in read(
                    "list_unanswered_questions", (_QUESTIONS,)
                )
            ],
            rejected=[
                (automation, run, kind, name, since_at)
                for automation, run, kind, name, since_at in read("list_rejected_facts_of_open_runs", (_QUESTIONS,))
            ],
            stalls=_grouped(read("list_stalled_attempts", (_STALLS,))),
            roles=[RoleHeartbeat(*row) for row in read("list_role_heartbeats", (steady_ms,))],
        )


def read_monitor_rows_of(reader: StoreReader, names: Iterable[str], now_at: int, *, ended_from: int) -> MonitorRows:
    """Return the rows to evaluate due slots, ends and durations of these automations; all others are empty."""
    listed = _listed(names)
    with reader.snapshot() as read:
        ended = read("sum_rollups_of", (listed, ended_from - ended_from % 60_000, _NEVER))
        return MonitorRows(
            automations=[AutomationView(*row) for row in read("list_automations_of", (listed,))],
            schedules=[PlannedView(*row) for row in read("list_monitored_schedules_of", (listed,))],
            listeners=[],
            pauses_ended=_pairs(read("list_last_pauses_of", (listed, now_at))),
            succeeded_in=_pairs(read("list_last_successes_of", (listed,))),
            ended=_ends(ended),
            started={},
            running=_pairs(read("list_oldest_running_of", (listed,))),
            waiting=[],
            groups=[],
            questions=[],
            rejected=[],
            stalls={},
            roles=[],
        )


def monitored_triggers(reader: StoreReader) -> list[MonitoredTrigger]:
    """Return the triggers that have not ended."""
    return [MonitoredTrigger(*row) for row in reader.read("list_monitored_triggers")]


def ended_since(reader: StoreReader, since_at: int) -> set[str]:
    """Return the automations whose statistics changed since an instant."""
    return set(first_values(reader.read("list_active_automations", (since_at - since_at % 60_000,)), str))


def newest_ends(reader: StoreReader, names: Iterable[str], limit: int) -> list[EndView]:
    """Return the newest ends of these automations, up to `limit` of each, newest first."""
    rows = reader.read("list_recent_run_ends", (_listed(names), limit))
    return [EndView(name, run, RunState(state), *rest) for name, run, state, *rest in rows]


def success_hours(reader: StoreReader, names: Iterable[str], before_ms: int) -> dict[str, list[tuple[int, int]]]:
    """Return (start of an hour, its successes) of each, oldest first, from `before_ms` before the hour of the last one."""
    hours: dict[str, list[tuple[int, int]]] = {}
    for name, hour_at, number in reader.read("list_hourly_successes", (_listed(names), before_ms)):
        hours.setdefault(name, []).append((hour_at, int(number)))
    return hours


def durations(
    reader: StoreReader, names: Iterable[str], first_at: int, before_at: int
) -> dict[str, tuple[dict[int, int], int]]:
    """Return for each {k: runs with a duration up to 2^k ms, and more than half} from `first_at` on and before
    `before_at`, and the first instant.
    """
    durations_by_name: dict[str, tuple[dict[int, int], int]] = {}
    for name, bucket, number, started_at in reader.read("sum_run_durations", (_listed(names), first_at, before_at)):
        buckets, known_at = durations_by_name.get(name, ({}, started_at))
        durations_by_name[name] = (
            buckets | {int(bucket.removeprefix(_BUCKET)): int(number)},
            min(known_at, started_at),
        )
    return durations_by_name


def output_sizes(
    reader: StoreReader, names: Iterable[str], first_at: int, before_at: int
) -> dict[str, list[tuple[int, int, int]]]:
    """Return for each (day, minimum output bytes of a success, successes) from `first_at` on and before `before_at`."""
    sizes: dict[str, list[tuple[int, int, int]]] = {}
    for name, day_at, bucket, number in reader.read("sum_output_sizes", (_listed(names), first_at, before_at)):
        sizes.setdefault(name, []).append((day_at, bucket_minimum(bucket), int(number)))
    return sizes


def busiest_hours(
    reader: StoreReader, names: Iterable[str], first_at: int, before_at: int
) -> dict[str, tuple[int, int]]:
    """Return the maximum of starts in one hour of each, and its first hour."""
    rows = reader.read("list_busiest_hours", (_listed(names), first_at, before_at))
    return {name: (int(started), hour_at) for name, started, hour_at in rows}


def slot_starts(
    reader: StoreReader, schedules: Iterable[str], first_at: int, before_at: int, limit: int
) -> dict[str, list[SlotStart]]:
    """Return the newest slots of each schedule from `first_at` on and before `before_at`, up to `limit` of each."""
    starts: dict[str, list[SlotStart]] = {}
    for schedule, *row in reader.read("list_recent_slots", (_listed(schedules), first_at, before_at, limit)):
        starts.setdefault(schedule, []).append(SlotStart(*row))
    return starts


def count_manual_interventions(reader: StoreReader, since_at: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many runs of each people helped, and how many they started at a command line."""
    rows = reader.read("count_manual_interventions", (since_at, MOST_OPERATIONS, _listed(MANUAL_VERBS)))
    helped = {automation: number for automation, is_start, number in rows if not is_start}
    return helped, {automation: number for automation, is_start, number in rows if is_start}


def count_starts_since(reader: StoreReader, names: Iterable[str], since_at: int) -> dict[str, int]:
    """Return how many runs of each started."""
    rows = reader.read("sum_started_runs", (_listed(names), since_at - since_at % 3_600_000))
    return {name: int(number) for name, number in rows}


def queue_traffic(reader: StoreReader, since_at: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many new runs each queue got since an instant, and how many ended; both stop at the cap."""
    new_runs = reader.read("count_new_runs_by_queue", (make_id("r", since_at, 0), CAP))
    return _pairs(new_runs), _pairs(reader.read("count_run_ends_by_queue", (since_at, CAP)))


def _pairs(rows: Rows) -> dict[str, int]:
    return {name: number for name, number, *_ in rows if number is not None}


def _ends(rows: Rows) -> dict[str, tuple[int, int]]:
    """Return how many runs of each automation succeeded and failed, from rows of statistics."""
    return {name: (int(succeeded), int(failed)) for name, _, succeeded, failed, *_ in rows}


def _grouped(rows: Rows) -> dict[str, list[Stall]]:
    stalls: dict[str, list[Stall]] = {}
    for row in STALL_OF_AUTOMATION.read_all(rows):
        stalls.setdefault(row.automation, []).append(row.stall)
    return stalls


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))
