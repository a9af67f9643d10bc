"""Locks that are held for unusually long: by the holds so far, by a limit, or by a process that is gone."""

import pytest

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import HeldLock, MonitorInputs
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, evaluate, found

LOCK_HELD = IncidentKind.LOCK_HELD


@pytest.mark.parametrize(
    ("usual_ms", "is_live", "longest_ms"),
    [
        (None, True, DAY),
        (0, True, 30 * MINUTE),
        (HOUR, True, 10 * HOUR),
        (3 * HOUR, True, DAY),
        (None, False, 10 * MINUTE),
        (3 * HOUR, False, 10 * MINUTE),
    ],
)
def test_hold_is_unusual_after_ten_times_the_longest_one(usual_ms: int | None, is_live: bool, longest_ms: int) -> None:
    """From 30 minutes to a day; without enough holds, or a holder, only the time counts."""
    facts = MonitorInputs(locks=(HeldLock("keys of a", "me", T0, is_live, 2, usual_ms),))
    assert found(LOCK_HELD, facts, T0 + longest_ms - 1) == []
    (finding,) = found(LOCK_HELD, facts, T0 + longest_ms)
    assert (finding.subject.fingerprint, finding.hint) == (
        "keys of a (slot 2)",
        "If its holder no longer works: mainspring locks break 'keys of a' --slot 2 --reason '...'",
    )


def test_consumer_holds_its_lock_for_as_long_as_it_runs() -> None:
    """That is no finding while its worker lives."""
    lock = HeldLock("trigger:orders/queue", "trigger orders/queue", T0, live=True, usual_ms=0)
    assert evaluate(LOCK_HELD, MonitorInputs(locks=(lock,)), T0 + 7 * DAY) == []
    left = HeldLock("trigger:orders/queue", "trigger orders/queue", T0, live=False)
    assert len(found(LOCK_HELD, MonitorInputs(locks=(left,)), T0 + HOUR)) == 1
