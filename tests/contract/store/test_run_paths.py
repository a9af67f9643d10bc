"""The newest runs that ended and the first of what each did: the same on every database, by an index, and bounded."""

import pytest

from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.runs import ClaimRuns, ReopenRun
from mainspring.store.read.runs import run_paths
from mainspring.store.read.runs.run_paths import OUTCOMES, RUNS, read_run_paths
from tests.contract.store.plans import plans_on_a_file, plans_on_a_server, walked
from tests.contract.store.process import BOOM, audited, fail, finish, halt, outcome

_LARGE = ("runs", "journal", "failures")
_TEXTS = {"list_last_run_ends": ("a0", RUNS), "list_first_outcomes_of": ('["old-1"]', OUTCOMES)}
_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'workflow', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)
select 'old-' || n, 1, 's', 's', 'step', 'succeeded', 1, 1, 0, 1, n, n, 1 from generate_series(1, 20000) as n;
insert into failures (run, automation, state, at, fingerprint)
select 'old-' || n, 'a' || n % 50, 'failed', n, n from generate_series(1, 20000) as n
"""


def test_runs_that_ended_are_read_newest_first(store):
    """With what each saved and what ended it; a run that continues, one of another automation and superseded outcomes are left out."""
    good, bad, waiting = store.begin(), store.begin(), store.begin()
    store.do(outcome(good, 1, "charge"), outcome(good, 2, "mail", requested_after=1), finish(good, rank=2))
    store.do(outcome(bad, 1, "charge", state=OutcomeState.FAILED, failure=BOOM), fail(bad, "charge", rank=1))
    store.do(halt(waiting))
    store.do(outcome(store.begin(), 1))
    store.do(finish(store.begin(automation="b")))
    found = read_run_paths(store.reader, "a")
    assert [(path.run, path.state, path.failed_ident) for path in found] == [
        (waiting.id, RunState.NEEDS_ATTENTION, None),
        (bad.id, RunState.FAILED, "charge"),
        (good.id, RunState.SUCCEEDED, None),
    ]
    assert [(step.rank, step.name, step.state, step.requested_after) for step in found[2].passed] == [
        (1, "charge", OutcomeState.SUCCEEDED, 0),
        (2, "mail", OutcomeState.SUCCEEDED, 1),
    ]
    assert found[1].passed[0].state is OutcomeState.FAILED
    assert read_run_paths(store.reader, "nobody") == []


def test_superseded_steps_do_not_count(store):
    """A run that a person continued went the way that it went at last."""
    run = store.begin()
    store.do(outcome(run, 1, "charge", state=OutcomeState.FAILED, failure=BOOM), fail(run, "charge", rank=1))
    store.do(audited(ReopenRun(run.id)))
    (again,) = store.do(ClaimRuns("again", 1)).runs
    store.do(outcome(again, 2, "charge"), finish(again, rank=2))
    (found,) = read_run_paths(store.reader, "a")
    assert [(step.rank, step.state) for step in found.passed] == [(2, OutcomeState.SUCCEEDED)]


def test_only_the_newest_and_the_first_are_read(store, monkeypatch):
    """So many runs, so many outcomes of each; which of them were cut is reported."""
    monkeypatch.setattr(run_paths, "RUNS", 2)
    monkeypatch.setattr(run_paths, "OUTCOMES", 3)
    runs = [store.begin() for _ in range(3)]
    for run, saved in zip(runs, (1, 3, 4), strict=True):
        store.do(*(outcome(run, rank) for rank in range(1, saved + 1)), finish(run, rank=saved))
    found = read_run_paths(store.reader, "a")
    assert [(path.run, len(path.passed), path.is_cut) for path in found] == [
        (runs[2].id, 3, True),
        (runs[1].id, 3, False),
    ]


def test_ways_are_read_by_an_index_on_a_file(tmp_path):
    """Neither all runs are walked over nor all that was saved."""
    with plans_on_a_file(tmp_path) as plans:
        for name, params in _TEXTS.items():
            found = plans.of(name, params)
            assert not walked(found, _LARGE), found
            sorted_at = next((place for place, line in enumerate(found) if "FOR ORDER BY" in line), len(found))
            assert name != "list_last_run_ends" or "SCAN recent" in found[:sorted_at], "only the recent runs are sorted"
        assert any("(run=? AND rank<?)" in line for line in plans.of("list_first_outcomes_of", ("[]", 1)))


@pytest.mark.parametrize("name", _TEXTS)
def test_ways_are_read_by_an_index_on_a_server(postgres, name):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        found = "\n".join(plans.of(name))
        assert "Seq Scan on" not in found.replace("Function Scan", ""), found
        assert ("runs_automation" if name == "list_last_run_ends" else "journal_pkey") in found, found
