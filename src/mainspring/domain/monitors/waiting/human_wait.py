"""Human wait: a question has waited for its answer too long."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs, UnansweredQuestion
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span


class HumanWaitTuning(Tuning, frozen=True, kw_only=True):
    """`most`: how long a question may wait if half of its time is longer, or it has no end."""

    most: TuningSpan = timedelta(hours=24)


def evaluate(facts: MonitorInputs, tuning: HumanWaitTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the open questions of each automation by the one that is late first."""
    for automation in facts.expected(now_at):
        if not automation.questions:
            continue
        first = min(automation.questions, key=lambda question: _late_at(question, tuning))
        late_at = _late_at(first, tuning)
        late = sum(_late_at(question, tuning) <= now_at for question in automation.questions)
        metrics = {
            "questions": len(automation.questions),
            "late": late,
            "run": first.run,
            "opened_at": first.opened_at,
            "until_at": first.until_at,
            "late_at": late_at,
        }
        yield evaluate_automation(
            automation,
            IncidentKind.HUMAN_WAIT,
            metrics,
            late_at if late else None,
            _describe(late, first, now_at),
            hint=f"mainspring runs answer {first.run}",
            at_most=Severity.NOTIFY,
        )


def _describe(late: int, first: UnansweredQuestion, now_at: int) -> str:
    """Return the problem in one line, with the deadline of the first question if it has one."""
    text = (
        f"{format_count(late, 'question')} {'is' if late == 1 else 'are'} unanswered, "
        f"the oldest for {format_span(now_at - first.opened_at)}"
    )
    if first.until_at is None:
        return text
    left_ms = first.until_at - now_at
    return f"{text}; its deadline {f'is in {format_span(left_ms)}' if left_ms > 0 else 'has passed'}"


def _late_at(question: UnansweredQuestion, tuning: HumanWaitTuning) -> int:
    most_ms = to_ms(tuning.most)
    if question.until_at is not None:
        most_ms = min(most_ms, (question.until_at - question.opened_at) // 2)
    return question.opened_at + most_ms


MONITOR = Monitor(
    kind=IncidentKind.HUMAN_WAIT,
    line="A question has waited too long for its answer.",
    rule=(
        "Opens at late_at of the question that is late first: after half of the time from opened_at to until_at, and after 24 "
        "h at most."
    ),
    tuning=HumanWaitTuning(),
    evaluate=evaluate,
)
