"""Rejected sender: a webhook rejects a sender that it knew, as after a secret was changed on one side alone."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning

MAX_REQUESTS, REQUEST_WINDOW_MS = 5, 10 * 60_000
"""More requests than that within this window are no accident."""
SETTLE_TIME_MS = 2 * 60_000
"""How long to wait for a delivery of a known sender: several may share a webhook, and one of them may be misconfigured."""


def evaluate(facts: MonitorInputs, _: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each trigger with requests whose signature does not fit."""
    for automation in facts.expected(now_at):
        for sender in automation.rejected_senders:
            metrics = {"trigger": sender.trigger, "number": sender.number, "was_known": sender.was_known}
            is_failing = sender.was_known and sender.dense and now_at - sender.since_at >= SETTLE_TIME_MS
            yield evaluate_automation(
                automation,
                IncidentKind.SENDER_REJECTED,
                metrics,
                sender.since_at if is_failing else None,
                f"{sender.trigger} rejects its sender: at least {sender.number} requests had an invalid signature "
                "(401), no delivery was accepted since",
                hint=(
                    f"Was the secret changed at the sender, or here? mainspring triggers show {sender.trigger} shows the requests; "
                    "mainspring docs show webhooks#secrets explains how to rotate one"
                ),
                fingerprint=sender.trigger,
            )


MONITOR = Monitor(
    kind=IncidentKind.SENDER_REJECTED,
    line="A webhook rejects the sender that it accepted before.",
    rule=(
        "Open if more than 5 requests with a wrong signature came within 10 min, the first of them at least 2 min ago, and no "
        "delivery has passed since (number counts these requests). Deliveries must have passed before. Requests without a "
        "signature do not count, because anyone can send them. If no delivery ever passed, the digest has a line instead."
    ),
    tuning=Tuning(),
    evaluate=evaluate,
)
