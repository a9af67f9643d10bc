"""Figures as Prometheus reads them: with its own parser, for its own rules."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mainspring.alerting.metrics.series import BUCKETS, HELP, HISTOGRAMS, MetricSnapshot, RunMetrics, StoreSpace
from mainspring.store.read.incidents import UnsentAlerts
from mainspring.store.session_views import SessionView
from mainspring.web.exposition import render_exposition

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"
NOW = 1_000_000


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what the parser of Prometheus' own client makes of it: value by name and labels."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} is reported twice"
            found[key] = sample.value
    return found


def report(counts: dict[tuple[str, str], int], *labels: str, **more: Any) -> Any:
    values = read(
        render_exposition(MetricSnapshot(NOW, RunMetrics(Counter(counts), labels, more.pop("late", ())), **more))
    )

    def value(name: str, **expected: str) -> float | None:
        return values.get((name, tuple(sorted(expected.items()))))

    return value


def session(role: str, beat_at: int, state: str = "alive") -> SessionView:
    return SessionView(1, "u", role, state, "h", "h", 1, "s", "", 1, [], None, 0, beat_at, None, [], None, 0)


def test_runs_are_reported_by_outcome_and_reason():
    """One that needs a person is an outcome too; what nothing was counted of is 0 where a first one has to be seen."""
    value = report(
        {
            ("backup", "succeeded"): 7,
            ("backup", "attention"): 1,
            ("backup", "started"): 9,
            ("backup", "steps"): 20,
            ("backup", "step_errors"): 3,
            ("backup", "reason:in_doubt"): 1,
            ("backup", "refused:value"): 5,
        },
        "backup",
        "never",
    )
    assert value("mainspring_runs_total", automation="backup", outcome="succeeded") == 7
    assert value("mainspring_runs_total", automation="backup", outcome="needs_attention") == 1
    assert value("mainspring_runs_total", automation="backup", outcome="failed") == 0
    assert value("mainspring_runs_total", automation="never", outcome="failed") == 0
    assert value("mainspring_runs_started_total", automation="backup") == 9
    assert value("mainspring_steps_total", automation="backup") == 20
    assert value("mainspring_step_errors_total", automation="backup") == 3
    assert value("mainspring_run_failures_total", automation="backup", reason="in_doubt") == 1
    assert value("mainspring_run_failures_total", automation="backup", reason="value") is None


def test_highest_usage_of_each_role_is_exported():
    """What no process of a role said is absent, and the dead take nothing."""
    workers = [
        msgspec.structs.replace(session("worker", NOW), memory=memory, processor=share)
        for memory, share in ((300, 0.25), (200, 1.5), (None, None))
    ]
    dead = msgspec.structs.replace(session("worker", NOW, "dead"), memory=900, processor=9.0)
    value = report({}, sessions=[*workers, dead, session("exec", NOW)])
    assert value("mainspring_session_memory_bytes", role="worker") == 300
    assert value("mainspring_session_processor_ratio", role="worker") == 1.5
    assert value("mainspring_session_memory_bytes", role="exec") is None


def test_durations_are_a_histogram():
    """Buckets hold all that are shorter, the last one all; the sum is in seconds."""
    value = report(
        {("a", "ms<=2^0"): 2, ("a", "ms<=2^5"): 3, ("a", "ms<=2^40"): 1, ("a", "duration_ms"): 1_234_567}, "a"
    )
    assert value("mainspring_run_duration_seconds_bucket", automation="a", le="0.016") == 2
    assert value("mainspring_run_duration_seconds_bucket", automation="a", le="0.064") == 5
    assert value("mainspring_run_duration_seconds_bucket", automation="a", le="+Inf") == 6
    assert value("mainspring_run_duration_seconds_count", automation="a") == 6
    assert value("mainspring_run_duration_seconds_sum", automation="a") == 1234.567


@given(st.dictionaries(st.integers(0, 60), st.integers(1, 10**12), max_size=12))
def test_buckets_never_go_down(powers):
    """From one to the next, whatever took how long, and the last is the count."""
    value = report({("a", f"ms<=2^{power}"): n for power, n in powers.items()})
    edges = [*(f"{2**most / 1000:.12g}" for most in BUCKETS), "+Inf"]
    found = [value("mainspring_run_duration_seconds_bucket", automation="a", le=edge) or 0 for edge in edges]
    assert found == sorted(found)
    assert found[-1] == sum(powers.values())


@given(st.text(max_size=12), st.text(max_size=12))
def test_names_cannot_write_lines_of_their_own(name, reason):
    """Whatever is in a name, the parser gives it back as it was."""
    value = report({(name, "failed"): 1, (name, f"reason:{reason}"): 2})
    assert value("mainspring_runs_total", automation=name, outcome="failed") == 1
    assert value("mainspring_run_failures_total", automation=name, reason=reason) == 2


def test_health_of_processes_and_store_is_reported():
    """The longest silence of each role, the shortest of all as that of the store, and the disk; one that is dead is silent for good.

    A wrapped command is heard of when it begins, and need not be again.
    """
    value = report(
        {},
        sessions=[
            session("worker", NOW - 2_000),
            session("worker", NOW - 9_500),
            session("web", NOW - 1_000),
            session("worker", 1, "dead"),
            session("exec", 1),
        ],
        space=StoreSpace(4_096, 10**12),
        late=[("a", NOW - 90_000), ("a", NOW - 60_500)],
    )
    assert value("mainspring_session_silent_seconds", role="worker") == 9.5
    assert value("mainspring_session_silent_seconds", role="exec") is None
    assert value("mainspring_store_silent_seconds") == 1
    assert value("mainspring_store_free_bytes") == 10**12
    assert value("mainspring_store_file_bytes") == 4_096
    assert value("mainspring_slots_late") == 2
    assert value("mainspring_slot_late_seconds", automation="a") == 90
    assert value("mainspring_sessions", role="worker", state="alive") == 2


def test_open_incidents_and_unsent_alerts_are_exported():
    """By severity and kind, by channel; what is due later is not late, and a channel that took all is at 0."""
    value = report(
        {},
        unresolved={("page", "silence"): 2, ("digest", "silence"): 1},
        unsent=[
            UnsentAlerts("mail", 0, None),
            UnsentAlerts("ops", 3, NOW - 4_500),
            UnsentAlerts("slack", 1, NOW + 9_000),
        ],
    )
    assert value("mainspring_incidents_open", severity="page", kind="silence") == 2
    assert value("mainspring_incidents_open", severity="digest", kind="silence") == 1
    assert [value("mainspring_alerts_unsent", channel=name) for name in ("mail", "ops", "slack")] == [0, 3, 1]
    assert [value("mainspring_alert_overdue_seconds", channel=name) for name in ("mail", "ops", "slack")] == [0, 4.5, 0]


def test_missing_components_export_nothing():
    """An empty store on a server has no disk, no processes and no late slots."""
    value = report({})
    assert value("mainspring_store_free_bytes") is None
    assert value("mainspring_store_silent_seconds") is None
    assert value("mainspring_slots_late") == 0


@pytest.mark.parametrize("name", sorted(HELP))
def test_each_metric_has_its_type(name):
    """Counters end in _total, and nothing else does."""
    (family,) = [
        family
        for family in text_string_to_metric_families(render_exposition(MetricSnapshot(NOW, RunMetrics(Counter()))))
        if family.name == name.removesuffix("_total")
    ]
    assert family.type == ("histogram" if name in HISTOGRAMS else "counter" if name.endswith("_total") else "gauge")
    assert family.documentation == HELP[name]


def test_page_lists_each_metric():
    """Names are public: the page and the code have the same."""
    assert set(re.findall(r"^\| `(mainspring_\w+)", PAGE.read_text(), re.MULTILINE)) == set(HELP)
