"""Samples of runs, by automation: made of what was ever counted."""

from collections.abc import Iterable, Iterator

from mainspring.alerting.metrics.sample import MetricSample
from mainspring.store.read.automations.totals import Counts

OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled", "attention": "needs_attention"}
_REASON = "reason:"
_BUCKET = "ms<=2^"
BUCKETS = tuple(range(4, 31, 2))
"""The powers of two, in ms, up to which runs are told by how long they took: 16 ms to 12 days."""


def list_run_series(counts: Counts, names: Iterable[str]) -> Iterator[tuple[str, list[MetricSample]]]:
    """Yield the samples of each metric. Of one in `names` of which nothing was counted it is 0, so that its first end is seen as one."""
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
    reasons = sorted((name, what) for name, what in counts if what.startswith(_REASON))
    yield (
        "mainspring_run_failures_total",
        [
            MetricSample({"automation": name, "reason": what.removeprefix(_REASON)}, counts[name, what])
            for name, what in reasons
        ],
    )
    yield "mainspring_run_duration_seconds", list(_list_durations(counts))


def _list_durations(counts: Counts) -> Iterator[MetricSample]:
    found: dict[str, dict[int, int]] = {}
    for (name, what), n in counts.items():
        if what.startswith(_BUCKET):
            found.setdefault(name, {})[int(what.removeprefix(_BUCKET))] = n
    for name, powers in sorted(found.items()):
        for most in BUCKETS:
            up_to = sum(n for power, n in powers.items() if power <= most)
            yield MetricSample({"automation": name, "le": f"{2**most / 1000:.12g}"}, up_to, "_bucket")
        number = sum(powers.values())
        yield MetricSample({"automation": name, "le": "+Inf"}, number, "_bucket")
        yield MetricSample({"automation": name}, counts[name, "took_ms"] / 1000, "_sum")
        yield MetricSample({"automation": name}, number, "_count")
