"""Which slots are run: the pure part of the scheduler; the rest is proven on a real store in tests/acceptance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.engine.scheduler import LATE_MS, chosen_slots

NOW = 10_000_000
LATE = [NOW - 9 * LATE_MS, NOW - 5 * LATE_MS, NOW - 2 * LATE_MS]
ON_TIME = NOW - LATE_MS


@pytest.mark.parametrize(
    ("policy", "slots", "chosen"),
    [
        ("last", LATE, LATE[-1:]),
        ("last", [*LATE, ON_TIME], [ON_TIME]),
        ("none", LATE, []),
        ("none", [*LATE, ON_TIME], [ON_TIME]),
        ("all", LATE, LATE),
        ("all", [*LATE, ON_TIME], [*LATE, ON_TIME]),
        ("last", [], []),
    ],
)
def test_policy_chooses_among_missed_slots(policy, slots, chosen):
    """What is on time runs always; of the rest the newest, none or each."""
    assert chosen_slots(slots, NOW, policy) == set(chosen)


@given(st.lists(st.integers(0, NOW), unique=True).map(sorted), st.sampled_from(["last", "none", "all"]))
def test_slot_on_time_is_never_left_out_and_none_is_made_up(slots, policy):
    """Chosen slots are slots; the newest is run unless the policy says that late ones are not."""
    chosen = chosen_slots(slots, NOW, policy)
    assert chosen <= set(slots)
    assert {slot for slot in slots if NOW - slot <= LATE_MS} <= chosen
    if slots and policy != "none":
        assert slots[-1] in chosen
