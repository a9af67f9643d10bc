"""Outbox blocked: messages that steps have sent do not reach their broker."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import Finding, IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, UnsentQueue
from mainspring.domain.monitors.monitor import Evaluation, Monitor, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span


class OutboxTuning(Tuning, frozen=True, kw_only=True):
    """`away`: how long a broker may be unreachable while messages wait for it."""

    away: TuningSpan = timedelta(minutes=3)


def evaluate(facts: MonitorInputs, tuning: OutboxTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each queue of a broker with messages that wait or were refused."""
    severity = highest_tier(facts.expected(now_at))
    for queue in facts.unsent:
        subject = Subject("", IncidentKind.OUTBOX_BLOCKED, queue.queue)
        waits_ms, longest_ms = now_at - queue.oldest_at, to_ms(tuning.away)
        metrics = {
            "queue": queue.queue,
            "refused": queue.refused,
            "oldest_ms": waits_ms,
            "longest_ms": longest_ms,
            "why": queue.why,
        }
        is_unreachable = not queue.refused and queue.why is not None and waits_ms >= longest_ms
        if not queue.refused and not is_unreachable:
            yield Evaluation(subject, metrics)
            continue
        finding = Finding(
            subject=subject,
            severity=severity,
            text=_describe_queue(queue, waits_ms),
            since_at=queue.oldest_at,
            hint=_suggest_command(queue),
            facts=metrics,
            cause=f"source:{queue.queue}",
        )
        yield Evaluation(subject, metrics, finding)


def _describe_queue(queue: UnsentQueue, waits_ms: int) -> str:
    if queue.refused:
        was = "was" if queue.refused == 1 else "were"
        return f"{format_count(queue.refused, 'message')} to {queue.queue} {was} refused: {queue.why}"
    return f"messages to {queue.queue} wait, the oldest for {format_span(waits_ms)}: {queue.why}"


def _suggest_command(queue: UnsentQueue) -> str:
    if queue.refused:
        return (
            "mainspring failed list --messages; then: mainspring failed retry --messages, or failed discard --messages"
        )
    return "They are sent when the broker answers. Its address is in [brokers]: mainspring doctor --config"


MONITOR = Monitor(
    kind=IncidentKind.OUTBOX_BLOCKED,
    line="Messages that steps sent do not reach their broker.",
    rule=(
        "Open while a broker is unreachable or not configured and the oldest message to a queue has waited for longest_ms. Open at "
        "once while refused is above 0: the address of a queue is invalid, or the broker does not accept a message as it is."
    ),
    tuning=OutboxTuning(),
    evaluate=evaluate,
    of_automations=False,
)
