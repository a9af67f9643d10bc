"""Deaths of workers: which counts, and against whom."""

import pytest

from mainspring.domain.processes.crash_blame import (
    CRASH_LIMIT,
    PROBATION_MS,
    CrashBlame,
    assign_blame,
    first_probation_ms,
    next_probation_ms,
    probation_wait_ms,
)

SIBLINGS = {
    "is_excused": False,
    "is_at_work": True,
    "on_probation": False,
    "claimed_runs": ["r1", "r2"],
    "probation_runs": [],
}


def test_death_of_a_worker_with_runs_always_counts():
    """The exit code is no part of the question."""
    assert assign_blame(**SIBLINGS) == CrashBlame(counts=True)


@pytest.mark.parametrize("reason", [{"is_excused": True}, {"is_at_work": False}, {"claimed_runs": []}])
def test_requested_death_or_one_without_runs_does_not_count(reason):
    """Supervisor, person, deploy, and others that declared it dead first."""
    assert assign_blame(**{**SIBLINGS, "on_probation": True} | reason) == CrashBlame()


@pytest.mark.parametrize(
    ("claimed_runs", "probation_runs", "single_runs"),
    [(["r1"], [], "r1"), (["r1", "r2"], ["r2"], "r2"), (["r1", "r2"], ["r1", "r2"], None), (["r1", "r2"], [], None)],
)
def test_crash_on_probation_counts_for_the_run_that_was_by_itself(claimed_runs, probation_runs, single_runs):
    """Where that is not known the next ones are watched for longer."""
    blame = assign_blame(
        **SIBLINGS | {"on_probation": True, "claimed_runs": claimed_runs, "probation_runs": probation_runs}
    )
    assert blame == CrashBlame(counts=True, run=single_runs)
    assert next_probation_ms(PROBATION_MS, blame) == (PROBATION_MS if single_runs else 4 * PROBATION_MS)


@pytest.mark.parametrize(("unexplained", "survive_s"), [(0, 2), (1, 8), (2, 32), (4, 512), (9, 600)])
def test_new_supervisor_watches_longer_after_unexplained_deaths(unexplained, survive_s):
    """It has not seen them; the store has them on record."""
    assert first_probation_ms(unexplained) == survive_s * 1_000


@pytest.mark.parametrize(("unexplained", "wait_s"), [(0, 0), (1, 8), (2, 32), (9, 600)])
def test_new_supervisor_waits_longer_after_unexplained_deaths(unexplained, wait_s):
    """Without such a death it starts a probation process at once."""
    assert probation_wait_ms(unexplained) == wait_s * 1_000


def test_kills_at_a_constant_interval_count_against_a_run_once():
    """The times at which a death counts do not overlap from one supervisor to the next."""
    for unexplained in range(1, CRASH_LIMIT):
        last_counted_ms = probation_wait_ms(unexplained - 1) + first_probation_ms(unexplained - 1)
        assert probation_wait_ms(unexplained) >= last_counted_ms
