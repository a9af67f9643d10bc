"""Tunings of some automations alone."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, evaluate_all
from mainspring.domain.monitors.timing.silence import SilenceTuning
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.monitors.waiting.human_wait import HumanWaitTuning
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, T0, cadence, watched

SILENCE, WAIT = IncidentKind.SILENCE, IncidentKind.HUMAN_WAIT
names = st.sampled_from(["sync-a", "sync-b", "nightly", "other"])
patterns = st.sampled_from(["sync-*", "*", "nightly", "sync-a", "n*", "nobody"])
written = st.dictionaries(patterns, st.just({SILENCE: {"on": False}}), max_size=3)


def test_exact_name_wins_over_patterns_and_a_later_pattern_over_an_earlier_one() -> None:
    """Setting by setting: what only one of them states holds."""
    own = TuningOverrides(
        {
            "nightly": {WAIT: {"most": timedelta(hours=1)}},
            "*": {WAIT: {"most": timedelta(hours=2), "on": False}},
            "n*": {WAIT: {"most": timedelta(hours=3)}},
        }
    )
    assert own.of("nightly", WAIT, HumanWaitTuning()) == HumanWaitTuning(on=False, most=timedelta(hours=1))
    assert own.of("noon", WAIT, HumanWaitTuning()) == HumanWaitTuning(on=False, most=timedelta(hours=3))
    assert own.of("sync", WAIT, HumanWaitTuning()) == HumanWaitTuning(on=False, most=timedelta(hours=2))
    assert own.of("sync", SILENCE, SilenceTuning()) == SilenceTuning()


def test_unmatched_names_are_known() -> None:
    """A slip in a name is no pattern that happens to fit no one today: both are reported."""
    own = TuningOverrides({"nightly": {}, "sync-*": {}, "nihgtly": {}, "x*": {}})
    assert own.find_unmatched(["nightly", "sync-a"]) == ["nihgtly", "x*"]


@given(written, st.sets(names, min_size=1))
def test_only_disabled_automations_are_not_evaluated(settings, some) -> None:
    """The others are judged as without any such setting; each is judged once."""
    facts = MonitorInputs(
        automations=tuple(watched(name=name, cadences=(cadence(every="1h"),)) for name in sorted(some))
    )
    own = TuningOverrides(settings)
    found = [
        finding.subject.automation
        for finding in evaluate_all(facts, DEFAULT_TUNINGS, T0 + 3 * HOUR, own).findings
        if finding.subject.kind is SILENCE
    ]
    assert sorted(found) == sorted(name for name in some if not own.set_of(name, SILENCE))


def test_disabled_monitor_evaluates_automations_that_enable_it() -> None:
    """And by its settings."""
    facts = MonitorInputs(
        automations=(watched(name="a", succeeded_at=T0, cadences=(cadence(every="1h"),)), watched(name="b"))
    )
    tunings = {**DEFAULT_TUNINGS, SILENCE: SilenceTuning(on=False)}
    own = TuningOverrides({"a": {SILENCE: {"on": True}}})
    evaluation = evaluate_all(facts, tunings, T0 + DAY, own)
    assert [finding.subject.automation for finding in evaluation.findings if finding.subject.kind is SILENCE] == ["a"]
    assert evaluation.evaluated[SILENCE] == 1
    assert SILENCE not in evaluate_all(facts, tunings, T0 + DAY).evaluated


def test_monitor_without_automations_rejects_overrides() -> None:
    """Locks, secrets, queues and processes are no one's alone."""
    assert {kind for kind, monitor in MONITORS.items() if not monitor.of_automations} == {
        IncidentKind.ADDRESS_TAKEN,
        IncidentKind.CODEC_UNAVAILABLE,
        IncidentKind.CLOCK_REGRESSION,
        IncidentKind.WAL_HELD,
        IncidentKind.COMMITS_LOST,
        IncidentKind.STORE_DAMAGED,
        IncidentKind.LOCK_HELD,
        IncidentKind.EFFECT_IN_DOUBT,
        IncidentKind.FLAG_UNANSWERED,
        IncidentKind.FLAG_EXPIRED,
        IncidentKind.FLAG_STALE,
        IncidentKind.OUTBOX_BLOCKED,
        IncidentKind.SECRET_DUE,
        IncidentKind.BACKLOG_GROWING,
        IncidentKind.WORKER_LOST,
        IncidentKind.UPKEEP_FAILING,
    }
