"""Figures as a monitoring system reads them: the text format of Prometheus, version 0.0.4.

Names and labels are public: docs/reference/metrics.md lists them, and a test compares the two.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mainspring.store.load import QueueLoad
from mainspring.store.session_view import SessionView
from mainspring.store.trigger_views import DeskView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

HELP = {
    "mainspring_queue_claimable_runs": "Runs that a worker with this tag could take now (counted up to 10,000 for each automation).",
    "mainspring_queue_oldest_seconds": "For how long the oldest of them could have been taken.",
    "mainspring_queue_backlog_runs": "Runs that were never started, those that are due later too.",
    "mainspring_queue_running_runs": "Runs that are running (counted up to 1,000).",
    "mainspring_queue_limit_runs": "The most runs of this queue at once; absent where there is no limit.",
    "mainspring_queue_paused": "1 while the queue is paused.",
    "mainspring_queue_workers": "Live workers that take from this queue.",
    "mainspring_queue_capacity_runs": "How many runs they take at once, at most the limit of the queue.",
    "mainspring_sessions": "Processes that use the store.",
    "mainspring_trigger_away_seconds": "For how long the queue or folder of a trigger could not be fetched from; 0 while it can.",
    "mainspring_trigger_undecided_seconds": "For how long the oldest delivery of a trigger waits for its filter or the router.",
    "mainspring_webhook_requests_total": "Requests to webhooks, by what their senders were told.",
}
"""Each metric, in the order in which they are told. Those that end in _total only grow, all others are gauges."""

Sample = tuple[dict[str, str], float]


class TriggerFigures(NamedTuple):
    """What is told of triggers at the instant `now` (ms); `waiting` = since when the oldest undecided delivery of each waits."""

    now: int
    desks: Sequence[DeskView] = ()
    waiting: Mapping[str, int] = {}


def exposition(
    loads: Sequence[QueueLoad],
    sessions: Sequence[SessionView],
    triggers: TriggerFigures,
    answers: Mapping[tuple[str, str], int],
) -> str:
    """Return all metrics. `answers` = how many requests to webhooks there were, by trigger and answer."""
    samples = dict(_of_queues(loads)) | dict(_of_triggers(triggers)) | {"mainspring_sessions": _of_sessions(sessions)}
    # A copy at once: the loop counts on while this is written in a thread.
    samples["mainspring_webhook_requests_total"] = [
        ({"trigger": trigger, "answer": answer}, number) for (trigger, answer), number in sorted(dict(answers).items())
    ]
    return "".join(line for name in HELP for line in _metric(name, samples[name]))


def _of_queues(loads: Sequence[QueueLoad]) -> Iterator[tuple[str, list[Sample]]]:
    by_tag = [(one.name, tag, load) for one in loads for tag, load in sorted(one.tags.items())]
    # A queue in which nothing waits says so: a figure that is absent cannot scale anything down.
    idle = [({"queue": one.name, "tag": ""}, 0.0) for one in loads if "" not in one.tags]
    yield (
        "mainspring_queue_claimable_runs",
        idle + [({"queue": name, "tag": tag}, load.claimable) for name, tag, load in by_tag],
    )
    yield (
        "mainspring_queue_oldest_seconds",
        idle + [({"queue": name, "tag": tag}, load.oldest_s) for name, tag, load in by_tag],
    )
    yield "mainspring_queue_backlog_runs", [({"queue": one.name}, one.backlog) for one in loads]
    yield "mainspring_queue_running_runs", [({"queue": one.name}, one.running) for one in loads]
    yield (
        "mainspring_queue_limit_runs",
        [({"queue": one.name}, one.concurrency) for one in loads if one.concurrency is not None],
    )
    yield "mainspring_queue_paused", [({"queue": one.name}, int(one.paused_at is not None)) for one in loads]
    yield "mainspring_queue_workers", [({"queue": one.name}, one.workers) for one in loads]
    yield "mainspring_queue_capacity_runs", [({"queue": one.name}, one.capacity) for one in loads]


def _of_triggers(found: TriggerFigures) -> Iterator[tuple[str, list[Sample]]]:
    away: dict[str, float] = {}
    for desk in found.desks:  # of several schedulers one that can fetch is enough
        since = 0.0 if desk.away_since is None else max(0, found.now - desk.away_since) / 1000
        away[desk.trigger] = min(away.get(desk.trigger, since), since)
    yield "mainspring_trigger_away_seconds", [({"trigger": name}, since) for name, since in sorted(away.items())]
    waiting = sorted(found.waiting.items())
    yield (
        "mainspring_trigger_undecided_seconds",
        [({"trigger": name}, max(0, found.now - at) / 1000) for name, at in waiting],
    )


def _of_sessions(sessions: Iterable[SessionView]) -> list[Sample]:
    counted = Counter((one.role, one.state) for one in sessions)
    return [({"role": role, "state": state}, number) for (role, state), number in sorted(counted.items())]


def _metric(name: str, samples: list[Sample]) -> Iterator[str]:
    kind = "counter" if name.endswith("_total") else "gauge"
    yield f"# HELP {name} {HELP[name]}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{shown}}} {value:g}\n" if value < 1e6 else f"{name}{{{shown}}} {value:.0f}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
