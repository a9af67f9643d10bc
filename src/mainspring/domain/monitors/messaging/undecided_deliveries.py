"""Undecided deliveries: rejected although their sender is known, or failed in their filter. A person has to decide on them."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind, Severity
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
                replay_command = f"mainspring triggers replay {lost.newest}, or " if lost.is_kept else ""
                yield evaluate_automation(
                    automation,
                    kind,
                    {"trigger": lost.trigger, "number": lost.number, "delivery": lost.newest, "why": lost.why},
                    lost.since_at,
                    lost.text,
                    hint=f"mainspring triggers show {lost.trigger}; then: {replay_command}mainspring incidents resolve",
                    at_most=Severity.NOTIFY,
                    fingerprint=lost.trigger,
                )


MONITORS = (
    Monitor(
        kind=IncidentKind.DELIVERY_REJECTED,
        line="A delivery of a known sender was rejected.",
        rule=(
            "Wrong while number, of the newest 100 rejected deliveries of a trigger, is above 0: another "
            "body under a known key, an invalid value, a message that left its queue. Deliveries of unknown "
            "senders do not count: `verify.none()`, no signature or an invalid one. A delivery is settled "
            "when it is replayed, or arrives again and is accepted; a person who resolves the incident "
            "settles all of that moment."
        ),
        tuning=Tuning(),
        evaluate=evaluate_rejected,
    ),
    Monitor(
        kind=IncidentKind.DELIVERY_FAILED,
        line="A filter raised an error, or a delivery could not start a run.",
        rule=(
            "Wrong while number, of the newest 100 failed deliveries of a trigger, is above 0. A delivery is "
            "settled when it is replayed; a person who resolves the incident settles all of that moment."
        ),
        tuning=Tuning(),
        evaluate=evaluate_failed,
    ),
)
