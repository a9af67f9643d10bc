"""Deaths of workers: which counts, and against whom."""

import pytest

from mainspring.domain.worker_death import SURVIVE_MS, Blame, blame, next_survive_ms

BESIDE = {"is_excused": False, "is_at_work": True, "on_probation": False, "aboard": ["r1", "r2"], "suspects": []}


def test_death_of_a_worker_with_runs_aboard_counts_however_it_ended():
    """The exit code is no part of the question."""
    assert blame(**BESIDE) == Blame(counts=True)


@pytest.mark.parametrize("why", [{"is_excused": True}, {"is_at_work": False}, {"aboard": []}])
def test_death_that_was_asked_for_or_found_nothing_aboard_counts_for_nothing(why):
    """Supervisor, person, deploy, and others that declared it dead first."""
    assert blame(**{**BESIDE, "on_probation": True} | why) == Blame()


@pytest.mark.parametrize(
    ("aboard", "suspects", "alone"),
    [(["r1"], [], "r1"), (["r1", "r2"], ["r2"], "r2"), (["r1", "r2"], ["r1", "r2"], None), (["r1", "r2"], [], None)],
)
def test_crash_on_probation_counts_for_the_run_that_was_by_itself(aboard, suspects, alone):
    """Where that is not known the next ones are watched for longer."""
    judged = blame(**BESIDE | {"on_probation": True, "aboard": aboard, "suspects": suspects})
    assert judged == Blame(counts=True, alone=alone)
    assert next_survive_ms(SURVIVE_MS, judged) == (SURVIVE_MS if alone else 4 * SURVIVE_MS)
