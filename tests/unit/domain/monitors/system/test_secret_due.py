"""Secrets that have to be renewed."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import DueSecret, MonitorInputs
from mainspring.domain.monitors.system.secret_due import SecretDueTuning
from tests.unit.domain.monitors.monitor_inputs import DAY, T0, evaluate, found

KIND = IncidentKind.SECRET_DUE
HOOK = DueSecret("GH_HOOK", "2024-01-01", T0, ("channel ops", "trigger github/webhook"))


def test_secret_is_reported_two_weeks_ahead_by_its_name_and_users() -> None:
    """To be fixed in daylight: never a page, also after its day."""
    facts = MonitorInputs(secrets=(HOOK,))
    assert found(KIND, facts, T0 - 14 * DAY - 1) == []
    (ahead,) = found(KIND, facts, T0 - 14 * DAY)
    assert (ahead.subject.automation, ahead.subject.fingerprint) == ("", "GH_HOOK")
    assert (ahead.severity, ahead.since_at) == (Severity.NOTIFY, T0 - 14 * DAY)
    assert ahead.text == (
        "the secret GH_HOOK has to be renewed by 2024-01-01 (used by channel ops, trigger github/webhook)"
    )
    (after,) = found(KIND, facts, T0)
    assert (after.severity, "should have been renewed" in after.text) == (Severity.NOTIFY, True)


def test_secret_is_healthy_when_its_date_is_moved() -> None:
    """And judged all the same; one that no one is known to need is reported, too."""
    moved = DueSecret("GH_HOOK", "2025-01-01", T0 + 366 * DAY)
    (evaluation,) = evaluate(KIND, MonitorInputs(secrets=(moved,)), T0)
    assert evaluation.finding is None
    assert found(KIND, MonitorInputs(secrets=(moved,)), T0 + 366 * DAY)[0].text.endswith("by 2025-01-01")


def test_long_line_of_users_is_cut() -> None:
    """Five, and how many more."""
    many = DueSecret("X", "2024-01-01", T0, tuple(f"channel c{n}" for n in range(8)))
    assert found(KIND, MonitorInputs(secrets=(many,)), T0)[0].text.endswith("channel c4 and 3 more)")


@given(st.integers(-40, 40), st.integers(0, 40), st.integers(1, 30))
def test_secret_is_monotone_in_time(first: int, more: int, before: int) -> None:
    """Time alone never renews it."""
    tuning, facts = SecretDueTuning(before=timedelta(days=before)), MonitorInputs(secrets=(HOOK,))
    assert not found(KIND, facts, T0 + first * DAY, tuning) or found(KIND, facts, T0 + (first + more) * DAY, tuning)
    assert bool(found(KIND, facts, T0 + first * DAY, tuning)) is (first >= -before)
