"""Series of runs, by automation, from all that was ever counted."""

from collections.abc import Iterable, Iterator

from mainspring.alerting.metrics.sample import MetricSample
from mainspring.store.read.automations.totals import Counts

OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled", "attention": "needs_attention"}
_REASON = "reason:"
_BUCKET = "ms<=2^"
BUCKETS = tuple(range(4, 31, 2))
"""The powers of two, in ms, that bound the durations of runs: 16 ms to 12 days."""


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
