"""Did nothing: a success with no output, or with a small part of its usual output, such as a backup of 20 bytes.

A size is usual once it was seen on days a week apart. A size that varies by hour or by weekday is known by its smallest value. One bad day
does not become the usual size, nor does a new normal within that week.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, OutputSizes, RunCompletion, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningShare, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_bytes

_KIND = IncidentKind.DID_NOTHING
_TIMES = 2


class DidNothingTuning(Tuning, frozen=True, kw_only=True):
    """`successes`: how many make the size known; `over`: days this far apart make a size usual; less than `share` of it is too little."""

    successes: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    share: TuningShare = 0.1


def evaluate(facts: MonitorInputs, tuning: DidNothingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the newest success of each automation with a known size."""
    for automation in facts.expected(now_at):
        newest = next((end for end in automation.ends if end.succeeded and end.size is not None), None)
        subject = Subject(automation.name, _KIND)
        if newest is not None:
            yield _evaluate_automation(automation, newest, newest.size or 0, tuning, is_open=subject in facts.open)
        elif subject in facts.open:
            yield Evaluation(subject, {}, unsure="no success since")


def _evaluate_automation(
    automation: WatchedAutomation, newest: RunCompletion, size: int, tuning: DidNothingTuning, *, is_open: bool
) -> Evaluation:
    metrics: dict[str, Any] = {"put_out_bytes": size, "run": newest.run}
    sizes = automation.sizes
    if sizes is None:
        return Evaluation(Subject(automation.name, _KIND), metrics, unsure="its history is not read yet")
    usual = sizes.usual(to_ms(tuning.over))
    learned = _is_learned(sizes, tuning) and usual is not None
    metrics |= {"learning": not learned, "successes": sizes.successes, "over_ms": sizes.over_ms, "usual_bytes": usual}
    if usual is None or not learned:
        return Evaluation(Subject(automation.name, _KIND), metrics)
    # Hysteresis: an open incident resolves only when the size is clearly back.
    limit = usual * tuning.share * (_TIMES if is_open else 1)
    metrics["limit_bytes"] = round(limit)
    output = f"{format_bytes(size)} of output" if size else "an empty output"
    return evaluate_automation(
        automation,
        _KIND,
        metrics,
        newest.finished_at if size < limit else None,
        f"succeeded with {output}, {format_bytes(usual)} or more are usual",
        hint=f"mainspring runs diff {newest.run} compares it with the last success.",
        at_most=Severity.NOTIFY,
    )


def _is_learned(sizes: OutputSizes, tuning: DidNothingTuning) -> bool:
    """Whether any day of the week was seen twice, so that the smallest size may be known."""
    return sizes.successes >= tuning.successes and sizes.over_ms >= _TIMES * to_ms(tuning.over)


MONITOR = Monitor(
    kind=_KIND,
    line="A run succeeded and produced almost nothing.",
    rule=(
        "Once sizes are learned: open while the newest success produced less than limit_bytes, which is a tenth of "
        "usual_bytes. The usual size is the smallest one that was seen on days a week apart, in the 63 days before the day of "
        "the last end. So a size that stays small is usual after eight days. It does not open if the usual size is 0. An open "
        "incident resolves at twice the limit."
    ),
    tuning=DidNothingTuning(),
    evaluate=evaluate,
)
