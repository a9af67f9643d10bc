"""Fail rate: too large a share of the runs fails."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningShare, TuningSpan
from mainspring.domain.text.phrases import format_percent, format_span

LAST_RUN_COUNT = 20
"""Where fewer ended in the window, the last ends are judged, so many at most."""
HEALED_RUN_COUNT = 5
"""So many successes in a row, up to now: what failed before them was told when it failed, and is over."""


class FailRateTuning(Tuning, frozen=True, kw_only=True):
    """`share` from which on it is wrong (`fail_rate=` of a definition takes its place), of the ends in `window`, `least` at least."""

    share: TuningShare = 0.5
    window: TuningSpan = timedelta(hours=1)
    least: TuningCount = 5


def evaluate(facts: MonitorInputs, tuning: FailRateTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each automation of which enough runs ended."""
    for one in facts.expected(now_at):
        stated = one.option("fail_rate")
        if stated is False:
            continue
        ended = one.recent.succeeded + one.recent.failed
        failed, over = one.recent.failed, f"in {format_span(tuning.window // timedelta(milliseconds=1))}"
        if ended < LAST_RUN_COUNT:
            ends = [end for end in one.ends if end.succeeded or end.failed][:LAST_RUN_COUNT]
            ended, failed = len(ends), sum(end.failed for end in ends)
            over = f"of the last {ended}"
        if ended >= tuning.least:
            share = tuning.share if stated is None else stated
            yield _evaluate_automation(one, ended, failed, over, share, facts, now_at)


def _evaluate_automation(
    one: WatchedAutomation, ended: int, failed: int, over: str, limit: float, facts: MonitorInputs, now_at: int
) -> Evaluation:
    # Who is told of it already is told that it is well only once it clearly is.
    is_open = Subject(one.name, IncidentKind.FAIL_RATE) in facts.open
    limit_in_force = limit / 2 if is_open else limit
    newest = [end.succeeded for end in one.ends if end.succeeded or end.failed][:HEALED_RUN_COUNT]
    is_over = (not is_open and len(newest) == HEALED_RUN_COUNT and all(newest)) or _is_one_outage(one)
    share = failed / ended
    figures = {
        "ended": ended,
        "failed": failed,
        "counted": over,
        "failed_share": share,
        "limit_share": limit_in_force,
    }
    failures = [end.finished_at for end in one.ends if end.failed]
    return evaluate_automation(
        one,
        IncidentKind.FAIL_RATE,
        figures,
        min(failures, default=now_at) if share >= limit_in_force and not is_over else None,
        f"{format_percent(share)} of the runs fail ({failed:,} {over})",
        hint=f"mainspring runs list --name {one.name} --state failed",
        at_most=Severity.NOTIFY,
    )


def _is_one_outage(one: WatchedAutomation) -> bool:
    """Tell whether one thing failed for a while: the incident of its failures says so, and ends with the next success."""
    ends = [end.failed for end in one.ends if end.succeeded or end.failed]
    outages = sum(failed and not before for failed, before in zip(ends, [False, *ends], strict=False))
    return one.is_about_one_thing and outages <= 1


MONITOR = Monitor(
    kind=IncidentKind.FAIL_RATE,
    line="Too large a share of the runs fails.",
    rule=(
        "Wrong while failed_share, failed of ended, is limit_share (share=, or fail_rate= of the definition) or more."
        " Runs that ended in the window are counted, or the last 20 where fewer than 20 did. It is not told anew "
        "while the newest 5 ends succeeded: the outage is over. Where all runs are about the same thing, one outage "
        "without a success in between is told by the incident of its failures alone. Once it is told, it is well only"
        " below half of the limit."
    ),
    tuning=FailRateTuning(),
    judge=evaluate,
)
