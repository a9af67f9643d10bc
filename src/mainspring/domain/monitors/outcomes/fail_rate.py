"""Fail rate: too large a share of the runs fails."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningShare, TuningSpan
from mainspring.domain.text.phrases import format_percent, format_span

LAST_RUN_COUNT = 20
"""If fewer ended in the window, up to this many of the last ends are evaluated."""


class FailRateTuning(Tuning, frozen=True, kw_only=True):
    """`share` of failures that opens an incident (or `fail_rate=` of a definition), of `least` or more ends in `window`."""

    share: TuningShare = 0.5
    window: TuningSpan = timedelta(hours=1)
    least: TuningCount = 5


def evaluate(facts: MonitorInputs, tuning: FailRateTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation with enough ended runs."""
    for automation in facts.expected(now_at):
        stated = automation.option("fail_rate")
        if stated is False:
            continue
        ended = automation.recent.succeeded + automation.recent.failed
        failed, over = automation.recent.failed, f"in {format_span(tuning.window // timedelta(milliseconds=1))}"
        if ended < LAST_RUN_COUNT:
            ends = [end for end in automation.ends if end.succeeded or end.failed][:LAST_RUN_COUNT]
            ended, failed = len(ends), sum(end.failed for end in ends)
            over = f"of the last {ended}"
        if ended >= tuning.least:
            share = tuning.share if stated is None else stated
            yield _evaluate_automation(automation, ended, failed, over, share, facts, now_at)


def _evaluate_automation(
    automation: WatchedAutomation, ended: int, failed: int, over: str, limit: float, facts: MonitorInputs, now_at: int
) -> Evaluation:
    # Hysteresis: an open incident resolves only when the rate is clearly lower.
    is_open = Subject(automation.name, IncidentKind.FAIL_RATE) in facts.open
    limit_in_force = limit / 2 if is_open else limit
    # A success opens nothing: with it, failures that were notified and repaired only reach the least count.
    newest = next((end for end in automation.ends if end.succeeded or end.failed), None)
    is_over = (not is_open and newest is not None and newest.succeeded) or _is_one_outage(automation)
    share = failed / ended
    metrics = {
        "ended": ended,
        "failed": failed,
        "counted": over,
        "failed_share": share,
        "limit_share": limit_in_force,
    }
    failures = [end.finished_at for end in automation.ends if end.failed]
    return evaluate_automation(
        automation,
        IncidentKind.FAIL_RATE,
        metrics,
        min(failures, default=now_at) if share >= limit_in_force and not is_over else None,
        f"{format_percent(share)} of the runs fail ({failed:,} {over})",
        hint=f"mainspring runs list --name {automation.name} --state failed",
        at_most=Severity.NOTIFY,
    )


def _is_one_outage(automation: WatchedAutomation) -> bool:
    """Return whether all failures are one outage: the incident of its failures covers them, and ends with the next success."""
    ends = [end.failed for end in automation.ends if end.succeeded or end.failed]
    outages = sum(failed and not before for failed, before in zip(ends, [False, *ends], strict=False))
    return automation.is_about_one_thing and outages <= 1


MONITOR = Monitor(
    kind=IncidentKind.FAIL_RATE,
    line="Too many of the runs fail.",
    rule=(
        "Open while failed_share (failed of ended) is at least limit_share: the setting share, or fail_rate= of the "
        "definition. It counts the runs that ended in the window, or the last 20 if fewer ended. It does not open if the "
        "newest end is a success. If all runs are about the same item "
        "(a schedule, or healthy='automation'), failures without a success between them are one outage. It opens only the "
        "incident of the failed runs, not this one. An open incident resolves below half of the limit."
    ),
    tuning=FailRateTuning(),
    evaluate=evaluate,
)
