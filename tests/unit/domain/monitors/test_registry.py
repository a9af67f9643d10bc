"""The table of monitors, and a round of them."""

import re
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import HeldLock, MonitorInputs, NewFailure, WatchedQueue
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, evaluate_all
from mainspring.domain.monitors.timing.silence import SilenceTuning
from mainspring.domain.text.phrases import format_metric, format_span
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, T0, cadence, watched

INPUTS_WITH_FINDINGS = MonitorInputs(
    automations=(watched(cadences=(cadence(every="1h"),)),), locks=(HeldLock("db", "x", T0, live=False),)
)


def test_every_monitor_has_the_kind_of_its_key() -> None:
    """And says what is wrong, and how that follows."""
    for kind, monitor in MONITORS.items():
        assert monitor.kind is kind
        assert monitor.line.endswith(".")
        assert re.search(r"\bopens?\b", monitor.rule, re.IGNORECASE)


def test_round_evaluates_all_enabled_monitors() -> None:
    """One that is off finds nothing and judges nothing."""
    kinds = {finding.subject.kind for finding in evaluate_all(INPUTS_WITH_FINDINGS, DEFAULT_TUNINGS, T0 + DAY).findings}
    assert kinds >= {IncidentKind.SILENCE, IncidentKind.LOCK_HELD}
    quiet = evaluate_all(
        INPUTS_WITH_FINDINGS, {**DEFAULT_TUNINGS, IncidentKind.SILENCE: SilenceTuning(on=False)}, T0 + DAY
    )
    assert IncidentKind.SILENCE not in {finding.subject.kind for finding in quiet.findings}
    assert IncidentKind.SILENCE not in quiet.evaluated
    assert quiet.evaluated[IncidentKind.LOCK_HELD] == 1


def test_round_lists_unsure_subjects() -> None:
    """So that nothing is resolved that was not judged."""
    facts = MonitorInputs(automations=(watched(succeeded_at=T0),))
    assert Subject("backup", IncidentKind.SILENCE) in evaluate_all(facts, DEFAULT_TUNINGS, T0 + DAY).unsure


def test_no_finding_where_nothing_is_expected() -> None:
    """An automation that is retired, or paused for now, with everything wrong that there is."""
    fault = NewFailure(run="r", automation="x", fingerprint="", state="cancelled", reason="", at=T0, text="")
    off: list[dict[str, Any]] = [{"retired_at": T0}, {"paused_at": T0 + 9 * DAY}]
    for known in off:
        automation = watched(
            cadences=(cadence(every="1h", next_slot_at=T0),), problem="x", running_since_at=T0, **known
        )
        facts = MonitorInputs(automations=(automation,), faults=(fault,), queues=(WatchedQueue(name="q"),))
        assert evaluate_all(facts, DEFAULT_TUNINGS, T0 + 10 * DAY).findings == ()


def test_evaluated_stats_are_the_facts_of_the_finding() -> None:
    """What is reported an incident is what it was judged by."""
    for monitor in MONITORS.values():
        for finding in monitor.evaluate(INPUTS_WITH_FINDINGS, monitor.tuning, T0 + DAY):
            assert isinstance(finding, Evaluation)
            assert finding.finding is None or (
                finding.finding.facts == finding.figures and finding.finding.subject == finding.subject
            )
            assert finding.finding is None or finding.finding.since_at <= T0 + DAY
            assert finding.finding is None or finding.finding.severity in Severity


def test_stats_read_by_the_unit_of_their_name() -> None:
    """Spans in two units, shares in percent, everything else as it is."""
    assert (format_span(26 * HOUR + 59_999), format_span(850), format_span(61_500)) == ("1d2h", "850ms", "1m2s")
    assert (
        format_metric("x_ms", 90_000),
        format_metric("x_share", 0.256),
        format_metric("x", 3),
        format_metric("x_at", None),
    ) == (*("1m30s", "26 %", "3", "-"),)
