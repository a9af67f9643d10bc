"""Effects in doubt that no run asks about."""

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import EffectDoubt, MonitorInputs
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, evaluate_monitor
from tests.unit.domain.monitors.monitor_inputs import MINUTE, T0

MONITOR = MONITORS[IncidentKind.EFFECT_IN_DOUBT]


def test_effects_in_doubt_are_one_finding_until_a_person_decides() -> None:
    """It names the oldest, its reason and the number of the others, and stays however much time passes."""
    doubts = (EffectDoubt("invoice:7", T0, "TimeoutError"), EffectDoubt("alert", T0 + 1, None))
    for now_at in (T0, T0 + 10_000 * MINUTE):
        (evaluation,) = evaluate_monitor(MONITOR, MonitorInputs(doubts=doubts), DEFAULT_TUNINGS, now_at)
        finding = evaluation.finding
        assert finding is not None
        assert finding.subject == Subject("", IncidentKind.EFFECT_IN_DOUBT)
        assert finding.text == "effect invoice:7 may or may not have happened: TimeoutError, and 1 more effect"
        assert finding.since_at == T0
        assert finding.severity <= Severity.NOTIFY
    assert not [*evaluate_monitor(MONITOR, MonitorInputs(), DEFAULT_TUNINGS, T0)]
