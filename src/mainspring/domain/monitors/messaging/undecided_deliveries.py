"""Undecided deliveries: rejected although their sender is known, or failed in their filter. A person has to decide on them."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import INCIDENT_WORD, IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning


def evaluate_rejected(facts: MonitorInputs, _: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each trigger with rejected deliveries."""
    return _evaluate_kind(facts, IncidentKind.DELIVERY_REJECTED, now_at)


def evaluate_failed(facts: MonitorInputs, _: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each trigger with failed deliveries."""
    return _evaluate_kind(facts, IncidentKind.DELIVERY_FAILED, now_at)


def _evaluate_kind(facts: MonitorInputs, kind: IncidentKind, now_at: int) -> Iterator[Evaluation]:
    for automation in facts.expected(now_at):
        for lost in automation.lost_deliveries:
            if lost.kind is kind:
                replay_command = f"mainspring triggers replay {lost.newest}, or " if lost.is_stored else ""
                yield evaluate_automation(
                    automation,
                    kind,
                    {
                        "trigger": lost.trigger,
                        "number": lost.number,
                        "delivery": lost.newest,
                        "why": "; ".join(lost.reasons),
                    },
                    lost.since_at,
                    lost.text,
                    hint=f"mainspring triggers show {lost.trigger}; then: {replay_command}mainspring incidents resolve {INCIDENT_WORD}",
                    at_most=Severity.NOTIFY,
                    fingerprint=lost.trigger,
                )


MONITORS = (
    Monitor(
        kind=IncidentKind.DELIVERY_REJECTED,
        line="A delivery of a known sender was rejected.",
        rule=(
            "Open while number is above 0: deliveries among the newest 100 rejected ones of a trigger that a known sender "
            "sent. The reasons are another body under a key that counts, a value that does not fit, or a message that left "
            "its queue. Deliveries of unknown senders do not count: `verify.none()`, no signature or a wrong one. A delivery "
            "is settled by a replay, or when it comes again and fits, also with a corrected "
            "body under its key. If a person resolves the incident, all deliveries of that moment are settled."
        ),
        tuning=Tuning(),
        evaluate=evaluate_rejected,
    ),
    Monitor(
        kind=IncidentKind.DELIVERY_FAILED,
        line="A filter raised, or no run could be started for a delivery.",
        rule=(
            "Open while number is above 0: failed deliveries among the newest 100 of a trigger. A delivery is settled by a "
            "replay. If a person resolves the incident, all deliveries of that moment are settled."
        ),
        tuning=Tuning(),
        evaluate=evaluate_failed,
    ),
)
