"""Messages that runs could not read."""

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import RejectedMessage
from tests.unit.domain.monitors.monitor_inputs import MINUTE, T0, found, watched

REJECTED = IncidentKind.REJECTED_MESSAGE


def test_rejected_message_is_wrong_at_once_and_until_it_is_gone() -> None:
    """One finding an automation, by the oldest; time alone never makes it well, nor a pause."""
    facts = (RejectedMessage("r_1", "signal", "approve", T0), RejectedMessage("r_2", "event", "paid", T0 + 1))
    automation = watched(rejected=facts, tier=Severity.PAGE)
    for now_at in (T0, T0 + 10_000 * MINUTE):
        (finding,) = found(REJECTED, automation, now_at)
        assert finding.text == "2 runs cannot read signal 'approve', the oldest of 2"
        assert (finding.since_at, finding.hint, finding.severity) == (T0, "mainspring explain r_1", Severity.PAGE)
    assert found(REJECTED, watched(rejected=facts[:1], paused_at=T0), T0)[0].text.startswith("1 run cannot read")
    assert found(REJECTED, watched(), T0) == []
