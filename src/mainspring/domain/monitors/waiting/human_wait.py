"""Human wait: a question has waited for its answer too long."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation, evaluate_subject
from mainspring.domain.monitors.question_inputs import UnansweredQuestion
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span

MOST_PLANNED = 100
"""Questions of an automation with an incident of their own, the oldest first."""


class HumanWaitTuning(Tuning, frozen=True, kw_only=True):
    """`most`: how long a question without remind= and escalate= may wait if half of its time is longer, or it has no end."""

    most: TuningSpan = timedelta(hours=24)


def evaluate(facts: MonitorInputs, tuning: HumanWaitTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each question with a plan by itself, and the other ones of an automation by the one that is late first."""
    for automation in facts.expected(now_at):
        planned = [question for question in automation.questions if not question.plan.is_empty][:MOST_PLANNED]
        for question in planned:
            yield _evaluate_planned(automation, question, tuning, now_at)
        unplanned = [question for question in automation.questions if question not in planned]
        if unplanned:
            yield _evaluate_unplanned(automation, unplanned, tuning, now_at)


def _evaluate_unplanned(
    automation: WatchedAutomation, questions: list[UnansweredQuestion], tuning: HumanWaitTuning, now_at: int
) -> Evaluation:
    first = min(questions, key=lambda question: _late_at(question, tuning))
    late_at = _late_at(first, tuning)
    late = sum(_late_at(question, tuning) <= now_at for question in questions)
    metrics = {
        "questions": len(questions),
        "late": late,
        "run": first.run,
        "opened_at": first.opened_at,
        "until_at": first.until_at,
        "late_at": late_at,
    }
    return evaluate_automation(
        automation,
        IncidentKind.HUMAN_WAIT,
        metrics,
        late_at if late else None,
        _describe(late, first, now_at),
        hint=f"mainspring runs answer {first.run}",
        at_most=Severity.NOTIFY,
    )


def _evaluate_planned(
    automation: WatchedAutomation, question: UnansweredQuestion, tuning: HumanWaitTuning, now_at: int
) -> Evaluation:
    """Evaluate one question. Its author wants the notification, so that it is sent whatever the tier of the automation."""
    late_at = _late_at(question, tuning)
    assignee = question.assignee_at(now_at)
    metrics = {
        "run": question.run,
        "question": question.ident,
        "opened_at": question.opened_at,
        "until_at": question.until_at,
        "late_at": late_at,
        "assignee": assignee,
        "remind_ms": question.plan.remind_ms,
        "escalate_at": question.escalate_at,
        "escalate_to": question.plan.escalate_to,
    }
    for_whom = "" if assignee is None else f" for {assignee}"
    return evaluate_subject(
        Subject(automation.name, IncidentKind.HUMAN_WAIT, f"{question.run}/{question.ident}"),
        Severity.NOTIFY,
        metrics,
        late_at if late_at <= now_at else None,
        f"a question{for_whom} is unanswered, for {format_span(now_at - question.opened_at)}{_describe_end(question, now_at)}",
        hint=f"mainspring runs answer {question.run}",
    )


def _describe(late: int, first: UnansweredQuestion, now_at: int) -> str:
    """Return the problem in one line, with the deadline of the first question if it has one."""
    text = (
        f"{format_count(late, 'question')} {'is' if late == 1 else 'are'} unanswered, "
        f"the oldest for {format_span(now_at - first.opened_at)}"
    )
    return text + _describe_end(first, now_at)


def _describe_end(question: UnansweredQuestion, now_at: int) -> str:
    if question.until_at is None:
        return ""
    left_ms = question.until_at - now_at
    return f"; its deadline {f'is in {format_span(left_ms)}' if left_ms > 0 else 'has passed'}"


def _late_at(question: UnansweredQuestion, tuning: HumanWaitTuning) -> int:
    planned = [span for span in (question.plan.remind_ms, question.plan.escalate_ms) if span is not None]
    spans = planned or [to_ms(tuning.most)]
    if question.until_at is not None:
        spans.append((question.until_at - question.opened_at) // 2)
    return question.opened_at + min(spans)


MONITOR = Monitor(
    kind=IncidentKind.HUMAN_WAIT,
    line="A question has waited too long for its answer.",
    rule=(
        "Opens at late_at of the question that is late first: after half of the time from opened_at to until_at, and after 24 "
        "h at most. A question with assignee=, remind= or escalate= has an incident of its own. With remind= or escalate=, the "
        "sooner of the two takes the place of the 24 h. It repeats every remind=, and notifies the other assignee at escalate_at."
    ),
    tuning=HumanWaitTuning(),
    evaluate=evaluate,
)
