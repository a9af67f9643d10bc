"""The text of a guard's evidence."""

from mainspring.domain.rollouts.guard import GuardDecision, GuardVerdict, MetricResult
from mainspring.domain.rollouts.guard_settings import FAILED, NOT_ENDED
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.text.phrases import format_percent, format_span

MOST_PRINTED = 1_000_000
"""Greater evidence says no more to a reader."""
_SUBJECTS = {
    FAILED: "its runs fail more often",
    NOT_ENDED: "more of its runs have not ended {age} after their start",
    "duration.p50": "its runs take longer than the median of the old version more often",
    "duration.p95": "its runs take longer than 95 % of the old version's more often",
}


VERDICT_TEXTS = {
    GuardVerdict.WORSE: "worse",
    GuardVerdict.NOT_WORSE: "not worse",
    GuardVerdict.NOT_ENOUGH: "not enough runs",
}


def describe_worse(decision: GuardDecision, rollout: Rollout) -> str:
    """Return why a version is rolled back: the metric, the rates of both sides, and the e-value."""
    result = next(result for result in decision.results if result.metric == decision.worse)
    measured = {
        metric: f"more of its runs have {text}"
        for measurement in rollout.watched
        for metric, text in measurement.list_metrics().items()
    }
    subject = {**_SUBJECTS, **measured}[result.metric].format(age=format_span(rollout.age_ms))
    return f"version {rollout.new_version} is worse: {subject}: {describe_rates(result, rollout)}"


def describe_rates(result: MetricResult, rollout: Rollout) -> str:
    """Return the rates of both sides of a metric, and how strong the evidence is that the new one is worse."""
    c = result.comparison
    return (
        f"version {rollout.new_version} {c.new_bad:,} of {c.new_runs:,} ({format_percent(c.new_rate)}), "
        f"version {rollout.old_version} {c.old_bad:,} of {c.old_runs:,} ({format_percent(c.old_rate)}); "
        f"e-value {format_e_value(result.worse_e_value)}, limit {result.worse_limit:,.0f}"
    )


def format_e_value(value: float) -> str:
    """Return "0.87", "6,460", or "over 1,000,000"."""
    if value > MOST_PRINTED:
        return f"over {MOST_PRINTED:,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
