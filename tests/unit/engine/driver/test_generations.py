"""From which request on each generation counts."""

from typing import Any

from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.driver.generations import Generations


def outcome(requested_at: int, generation: int, superseded: int) -> Outcome:
    values: dict[str, Any] = {"attempt": 1, "started_at": 0, "at": 0, "duration_us": 0}
    return Outcome(
        requested_at, f"s{requested_at}", f"s{requested_at}", OutcomeKind.STEP, OutcomeState.SUCCEEDED, requested_at,
        generation=generation, superseded=superseded, **values,
    )  # fmt: skip


def test_all_belongs_to_the_first_generation_until_another_is_opened() -> None:
    """A run that was never continued from a chosen step has one."""
    assert Generations(()).of(7) == 0


def test_steps_before_the_chosen_one_keep_their_generation() -> None:
    """The first superseded request is where the new generation begins; what comes later belongs to it, new requests too."""
    found = Generations([outcome(4, 0, 1), outcome(3, 0, 1), outcome(6, 1, 2)])
    assert [found.of(requested_at) for requested_at in (1, 2, 3, 5, 6, 9)] == [0, 0, 1, 1, 2, 2]


def test_a_retry_within_a_generation_opens_none() -> None:
    """What a plain retry supersedes keeps its key."""
    found = Generations([outcome(2, 0, 0), outcome(5, 0, 1), outcome(3, 1, 1)])
    assert [found.of(requested_at) for requested_at in (2, 3, 5)] == [0, 0, 1]
