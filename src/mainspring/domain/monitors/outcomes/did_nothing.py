"""Did nothing: a success that put out nothing, or a small part of what it always did, as a backup of 20 bytes.

A size is usual once it was seen on days a week apart. So what varies, by the hour, by the day of the week, now and then, is known by its
smallest; one bad day does not become the yardstick, nor does a new normal within that week.
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
    """`successes`: from when on it is learned; `over`: how far apart the days are that make a size usual; `share` of that is too little."""

    successes: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    share: TuningShare = 0.1


def evaluate(facts: MonitorInputs, tuning: DidNothingTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge the newest success of each automation of which the size is known."""
    for one in facts.expected(now_at):
        newest = next((end for end in one.ends if end.succeeded and end.size is not None), None)
        subject = Subject(one.name, _KIND)
        if newest is not None:
            yield _evaluate_automation(one, newest, newest.size or 0, tuning, is_open=subject in facts.open)
        elif subject in facts.open:
            yield Evaluation(subject, {}, unsure="nothing has succeeded since")


def _evaluate_automation(
    one: WatchedAutomation, newest: RunCompletion, size: int, tuning: DidNothingTuning, *, is_open: bool
) -> Evaluation:
    figures: dict[str, Any] = {"put_out_bytes": size, "run": newest.run}
    sizes = one.sizes
    if sizes is None:
        return Evaluation(Subject(one.name, _KIND), figures, unsure="its history is not read yet")
    usual = sizes.usual(to_ms(tuning.over))
    learned = _is_learned(sizes, tuning) and usual is not None
    figures |= {"learning": not learned, "successes": sizes.successes, "over_ms": sizes.over_ms, "usual_bytes": usual}
    if usual is None or not learned:
        return Evaluation(Subject(one.name, _KIND), figures)
    # Who is told of it already is told that it is well only once it clearly is.
    limit = usual * tuning.share * (_TIMES if is_open else 1)
    figures["limit_bytes"] = round(limit)
    what = f"{format_bytes(size)} of output" if size else "an empty output"
    return evaluate_automation(
        one,
        _KIND,
        figures,
        newest.finished_at if size < limit else None,
        f"succeeded with {what}, {format_bytes(usual)} or more are usual",
        hint=f"mainspring runs diff {newest.run} compares it with the last good one.",
        at_most=Severity.NOTIFY,
    )


def _is_learned(sizes: OutputSizes, tuning: DidNothingTuning) -> bool:
    """Whether any day of the week was seen twice, so that the smallest may be known."""
    return sizes.successes >= tuning.successes and sizes.over_ms >= _TIMES * to_ms(tuning.over)


MONITOR = Monitor(
    kind=_KIND,
    line="A run succeeded and put out next to nothing.",
    rule=(
        "Wrong, once it is learned, while the newest success put out less than limit_bytes: a tenth of usual_bytes, "
        "the smallest size that was seen on days a week apart in the 63 days before that of the last end; so one that stays "
        "small is told for eight days, and then usual. What was empty on such days is never judged. Once it is told, it "
        "is well only at twice the limit."
    ),
    tuning=DidNothingTuning(),
    judge=evaluate,
)
