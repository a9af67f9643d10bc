"""The series of every metric, for a scrape or for a collector.

Names and labels are public: docs/reference/metrics.md lists them, and a test compares the two.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mainspring.domain.processes.process_role import HEARTBEAT_ROLES
from mainspring.domain.states import SessionState
from mainspring.store.queue_load import QueueLoad
from mainspring.store.read.automations.totals import Counts
from mainspring.store.read.incidents import UnsentAlerts
from mainspring.store.session_views import SessionView
from mainspring.store.trigger_views import ConsumerView

HELP = {
    "mainspring_runs_total": "Runs that ended, or stopped because they need a person, by outcome.",
    "mainspring_runs_started_total": "Runs that were started.",
    "mainspring_run_failures_total": "Runs that failed or need a person, by reason.",
    "mainspring_run_duration_seconds": "How long runs took from their start to their end.",
    "mainspring_steps_total": "Steps that ended.",
    "mainspring_step_errors_total": "Attempts of steps that failed, with those that are retried.",
    "mainspring_queue_claimable_runs": "Runs that a worker with this tag could claim now (counted up to 10,000 for each automation).",
    "mainspring_queue_oldest_seconds": "For how long the oldest of them could have been claimed.",
    "mainspring_queue_backlog_runs": "Runs that were never started, with those that are due later.",
    "mainspring_queue_running_runs": "Runs that are running (counted up to 1,000).",
    "mainspring_queue_limit_runs": "The most runs of this queue at once; absent without a limit.",
    "mainspring_queue_paused": "1 while the queue is paused.",
    "mainspring_queue_workers": "Running workers that claim from this queue.",
    "mainspring_queue_capacity_runs": "How many runs they execute at once, at most the limit of the queue.",
    "mainspring_slots_late": "Schedules whose due time passed a minute ago without a run or a recorded reason (counted up to "
    "100).",
    "mainspring_slot_late_seconds": "For how long such a due time has passed; absent if none has.",
    "mainspring_sessions": "Processes that use the store.",
    "mainspring_session_silent_seconds": "The longest time without a heartbeat of a process of a role.",
    "mainspring_session_memory_bytes": "The most memory of a process of a role, without its children.",
    "mainspring_session_processor_ratio": "The largest share of one core of a process of a role, without its children.",
    "mainspring_store_silent_seconds": "For how long nothing was committed: every running process commits a heartbeat each few seconds.",
    "mainspring_store_free_bytes": "Free space on the disk of the store's file; absent with a server.",
    "mainspring_store_file_bytes": "Size of the store's file; absent with a server.",
    "mainspring_trigger_unreachable_seconds": "For how long the queue or folder of a trigger has been unreachable; 0 if it is reachable.",
    "mainspring_trigger_undecided_seconds": "For how long the oldest delivery of a trigger waits for its filter or the router.",
    "mainspring_incidents_open": "Incidents that are not resolved, with acknowledged and snoozed ones.",
    "mainspring_alerts_unsent": "Notifications that a channel has not accepted, with those that are due later.",
    "mainspring_alert_overdue_seconds": "For how long the first of them has been due; 0 if none is due.",
    "mainspring_webhook_requests_total": "Requests to webhooks, by the response.",
}
"""Each metric, in output order. Names that end in _total are counters; all others except histograms are gauges."""

HISTOGRAMS = frozenset({"mainspring_run_duration_seconds"})
COUNTERS = frozenset(name for name in HELP if name.endswith("_total"))

OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled", "attention": "needs_attention"}
_REASON = "reason:"
_BUCKET = "ms<=2^"
BUCKETS = tuple(range(4, 31, 2))
"""The powers of two, in ms, that bound the durations of runs: 16 ms to 12 days."""


class MetricSample(NamedTuple):
    """A value with its labels; `suffix` follows the name of the metric, for the parts of a histogram."""

    labels: dict[str, str]
    value: float
    suffix: str = ""


class RunMetrics(NamedTuple):
    """Counts of runs, by the label of their automation; `late` = (label, due time) of slots without a run."""

    counts: Counts
    labels: Sequence[str] = ()
    late: Sequence[tuple[str, int]] = ()


class StoreSpace(NamedTuple):
    """The size of a store in a file and the free space next to it, in bytes."""

    file: int
    free: int


class MetricSnapshot(NamedTuple):
    """All values at the instant `now` (ms). `answers` = webhook requests, by trigger and answer."""

    now: int
    runs: RunMetrics
    loads: Sequence[QueueLoad] = ()
    sessions: Sequence[SessionView] = ()
    consumers: Sequence[ConsumerView] = ()
    waiting: Mapping[str, int] = {}
    """The instant since which the oldest undecided delivery of each trigger waits."""
    answers: Mapping[tuple[str, str], int] = {}
    space: StoreSpace | None = None
    unresolved: Mapping[tuple[str, str], int] = {}
    """The number of unresolved incidents, by severity and kind."""
    unsent: Sequence[UnsentAlerts] = ()


def list_series(snapshot: MetricSnapshot) -> dict[str, list[MetricSample]]:
    """Return the samples of each metric of HELP, in its order."""
    samples = {
        **dict(list_run_series(snapshot.runs.counts, snapshot.runs.labels)),
        **dict(_queue_series(snapshot.loads)),
        **dict(_slot_series(snapshot)),
        **dict(_session_series(snapshot)),
        **dict(_space_series(snapshot.space)),
        **dict(_trigger_series(snapshot)),
        **dict(list_incident_series(snapshot.unresolved, snapshot.unsent, snapshot.now)),
    }
    return {name: samples[name] for name in HELP}


def _queue_series(loads: Sequence[QueueLoad]) -> Iterator[tuple[str, list[MetricSample]]]:
    by_tag = [(queue.name, tag, load) for queue in loads for tag, load in sorted(queue.tags.items())]
    # A queue without waiting runs reports 0: an absent value cannot scale anything down.
    idle = [MetricSample({"queue": load.name, "tag": ""}, 0) for load in loads if "" not in load.tags]
    yield (
        "mainspring_queue_claimable_runs",
        idle + [MetricSample({"queue": name, "tag": tag}, load.claimable) for name, tag, load in by_tag],
    )
    yield (
        "mainspring_queue_oldest_seconds",
        idle + [MetricSample({"queue": name, "tag": tag}, load.oldest_s) for name, tag, load in by_tag],
    )
    yield "mainspring_queue_backlog_runs", [MetricSample({"queue": load.name}, load.backlog) for load in loads]
    yield "mainspring_queue_running_runs", [MetricSample({"queue": load.name}, load.running) for load in loads]
    yield (
        "mainspring_queue_limit_runs",
        [MetricSample({"queue": load.name}, load.concurrency) for load in loads if load.concurrency is not None],
    )
    yield (
        "mainspring_queue_paused",
        [MetricSample({"queue": load.name}, int(load.paused_at is not None)) for load in loads],
    )
    yield "mainspring_queue_workers", [MetricSample({"queue": load.name}, load.workers) for load in loads]
    yield "mainspring_queue_capacity_runs", [MetricSample({"queue": load.name}, load.capacity) for load in loads]


def _slot_series(found: MetricSnapshot) -> Iterator[tuple[str, list[MetricSample]]]:
    yield "mainspring_slots_late", [MetricSample({}, len(found.runs.late))]
    late: dict[str, float] = {}
    for label, due_at in found.runs.late:
        late[label] = max(late.get(label, 0.0), (found.now - due_at) / 1000)
    yield (
        "mainspring_slot_late_seconds",
        [MetricSample({"automation": label}, since) for label, since in sorted(late.items())],
    )


def _session_series(found: MetricSnapshot) -> Iterator[tuple[str, list[MetricSample]]]:
    counted = Counter((session.role, session.state) for session in found.sessions)
    yield (
        "mainspring_sessions",
        [MetricSample({"role": role, "state": state}, number) for (role, state), number in sorted(counted.items())],
    )
    live = [session for session in found.sessions if session.state != SessionState.DEAD]
    silent = (
        (session.role, max(0.0, (found.now - session.beat_at) / 1000))
        for session in live
        if session.role in HEARTBEAT_ROLES
    )
    yield "mainspring_session_silent_seconds", _maximum_by_role(silent)
    yield "mainspring_session_memory_bytes", _maximum_by_role((session.role, session.memory) for session in live)
    yield "mainspring_session_processor_ratio", _maximum_by_role((session.role, session.processor) for session in live)
    last = max((session.beat_at for session in found.sessions), default=None)
    yield (
        "mainspring_store_silent_seconds",
        [] if last is None else [MetricSample({}, max(0, found.now - last) / 1000)],
    )


def _maximum_by_role(values: Iterable[tuple[str, float | None]]) -> list[MetricSample]:
    maximum: dict[str, float] = {}
    for role, value in values:
        if value is not None:
            maximum[role] = max(maximum.get(role, 0), value)
    return [MetricSample({"role": role}, value) for role, value in sorted(maximum.items())]


def _space_series(space: StoreSpace | None) -> Iterator[tuple[str, list[MetricSample]]]:
    yield "mainspring_store_free_bytes", [] if space is None else [MetricSample({}, space.free)]
    yield "mainspring_store_file_bytes", [] if space is None else [MetricSample({}, space.file)]


def _trigger_series(found: MetricSnapshot) -> Iterator[tuple[str, list[MetricSample]]]:
    unreachable_s: dict[str, float] = {}
    for consumer in found.consumers:  # one scheduler that can fetch is enough
        unreachable_for_s = (
            0.0 if consumer.unreachable_at is None else max(0, found.now - consumer.unreachable_at) / 1000
        )
        unreachable_s[consumer.trigger] = min(unreachable_s.get(consumer.trigger, unreachable_for_s), unreachable_for_s)
    yield (
        "mainspring_trigger_unreachable_seconds",
        [
            MetricSample({"trigger": name}, unreachable_for_s)
            for name, unreachable_for_s in sorted(unreachable_s.items())
        ],
    )
    waiting = sorted(found.waiting.items())
    yield (
        "mainspring_trigger_undecided_seconds",
        [MetricSample({"trigger": name}, max(0, found.now - at) / 1000) for name, at in waiting],
    )
    # A copy at once: the loop counts on while this is written in a thread.
    answers = sorted(dict(found.answers).items())
    yield (
        "mainspring_webhook_requests_total",
        [MetricSample({"trigger": trigger, "answer": answer}, number) for (trigger, answer), number in answers],
    )


def list_incident_series(
    unresolved: Mapping[tuple[str, str], int], unsent: Sequence[UnsentAlerts], now: int
) -> Iterator[tuple[str, list[MetricSample]]]:
    """Yield the samples of each metric; `unresolved` = the incidents that are not resolved, by severity and kind."""
    yield (
        "mainspring_incidents_open",
        [
            MetricSample({"severity": severity, "kind": kind}, number)
            for (severity, kind), number in sorted(unresolved.items())
        ],
    )
    yield "mainspring_alerts_unsent", [MetricSample({"channel": alerts.channel}, alerts.number) for alerts in unsent]
    yield (
        "mainspring_alert_overdue_seconds",
        [
            MetricSample(
                {"channel": alerts.channel}, 0 if alerts.due_at is None else max(0, now - alerts.due_at) / 1000
            )
            for alerts in unsent
        ],
    )


def list_run_series(counts: Counts, names: Iterable[str]) -> Iterator[tuple[str, list[MetricSample]]]:
    """Yield the samples of each metric. An automation in `names` without counts has 0, so that its first end shows as an increase."""
    labels = sorted({*names, *(name for name, _ in counts)})
    yield (
        "mainspring_runs_total",
        [
            MetricSample({"automation": name, "outcome": outcome}, counts[name, column])
            for name in labels
            for column, outcome in OUTCOMES.items()
        ],
    )
    for metric, column in (
        ("mainspring_runs_started_total", "started"),
        ("mainspring_steps_total", "steps"),
        ("mainspring_step_errors_total", "step_errors"),
    ):
        yield metric, [MetricSample({"automation": name}, counts[name, column]) for name in labels]
    reasons = sorted((name, kind) for name, kind in counts if kind.startswith(_REASON))
    yield (
        "mainspring_run_failures_total",
        [
            MetricSample({"automation": name, "reason": kind.removeprefix(_REASON)}, counts[name, kind])
            for name, kind in reasons
        ],
    )
    yield "mainspring_run_duration_seconds", list(_list_durations(counts))


def _list_durations(counts: Counts) -> Iterator[MetricSample]:
    found: dict[str, dict[int, int]] = {}
    for (name, kind), count in counts.items():
        if kind.startswith(_BUCKET):
            found.setdefault(name, {})[int(kind.removeprefix(_BUCKET))] = count
    for name, powers in sorted(found.items()):
        for power_limit in BUCKETS:
            up_to = sum(count for power, count in powers.items() if power <= power_limit)
            yield MetricSample({"automation": name, "le": f"{2**power_limit / 1000:.12g}"}, up_to, "_bucket")
        number = sum(powers.values())
        yield MetricSample({"automation": name, "le": "+Inf"}, number, "_bucket")
        yield MetricSample({"automation": name}, counts[name, "duration_ms"] / 1000, "_sum")
        yield MetricSample({"automation": name}, number, "_count")
