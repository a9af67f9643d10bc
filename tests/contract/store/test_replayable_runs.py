"""Runs for a replay: grouped by what they saved, unfinished or finished, and read as a worker claims them; the same on every database."""

import pytest

from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.read.runs import replayable_runs
from mainspring.store.read.runs.replayable_runs import list_grouped_runs, read_replayable_runs
from tests.contract.store.plans import plans_on_a_file, plans_on_a_server, walked
from tests.contract.store.process import BOOM, audited, fail, finish, outcome, suspend

_LARGE = ("runs", "journal")
_TEXTS = {"list_saved_names_of": ('["old-1"]',), "list_replayable_runs": ('["old-1"]',)}
_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'workflow', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)
select 'old-' || n, 1, 's', 's', 'step', 'succeeded', 1, 1, 0, 1, n, n, 1 from generate_series(1, 20000) as n
"""


def test_runs_are_grouped_by_saved_names(store):
    """Two runs with the same steps are of one group, whatever their order; a superseded outcome is not counted."""
    first, second, other, waiting = (store.begin() for _ in range(4))
    store.do(outcome(first, 1, "charge"), outcome(first, 2, "mail"), finish(first, rank=2))
    store.do(outcome(second, 1, "mail"), outcome(second, 2, "charge"), finish(second, rank=2))
    store.do(outcome(other, 1, "charge", state=OutcomeState.FAILED, failure=BOOM), fail(other, "charge", rank=1))
    store.do(audited(ReopenRun(other.id)))
    store.do(outcome(waiting, 1, "charge"), suspend(waiting, rank=1))
    fresh = store.start("b").run
    finished, cursor = list_grouped_runs(store.reader, finished=True)
    groups = dict(finished)
    assert (list(groups), cursor) == ([second.id, first.id], None)
    assert groups[first.id] == groups[second.id]
    assert groups[first.id].names == {"step charge", "step mail"}
    unfinished = dict(list_grouped_runs(store.reader, finished=False)[0])
    assert {run: (group.automation, set(group.names)) for run, group in unfinished.items()} == {
        fresh: ("b", set()),
        waiting.id: ("a", {"step charge"}),
        other.id: ("a", set()),
    }
    assert not any(group.is_ended for group in unfinished.values())


def test_runs_are_grouped_page_by_page(store, monkeypatch):
    """The cursor continues behind the last run of a page."""
    monkeypatch.setattr(replayable_runs, "_PAGE", 2)
    runs = [store.begin().id for _ in range(3)]
    first, cursor = list_grouped_runs(store.reader, finished=False)
    rest, end = list_grouped_runs(store.reader, finished=False, cursor=cursor)
    assert ([run for run, _ in first], [run for run, _ in rest], end) == (runs[:0:-1], runs[:1], None)


def test_replayable_runs_are_read_as_they_are_claimed(store):
    """With state, end and history, in the order of the request; a run that never started counts from its creation."""
    run = store.begin()
    store.do(outcome(run, 1, "charge"), finish(run, rank=1, result=b'"good"'))
    fresh = store.start("b").run
    (row, history), (unstarted, nothing) = read_replayable_runs(store.reader, [run.id, fresh, "nobody"], 1_000_000)[0]
    assert (row.state, row.result, row.failure, row.run.id) == (RunState.SUCCEEDED, b'"good"', None, run.id)
    assert (row.run.automation, row.run.version, row.run.input) == (run.automation, run.version, run.input)
    assert row.run.started_at == run.started_at
    assert [saved.name for saved in history.outcomes] == ["charge"]
    assert (unstarted.state, unstarted.run.started_at) == (RunState.QUEUED, unstarted.run.created_at)
    assert nothing.outcomes == []


def test_replayable_runs_are_read_by_an_index_on_a_file(tmp_path):
    """Neither all runs are walked over nor all that was saved."""
    with plans_on_a_file(tmp_path) as plans:
        for name, params in _TEXTS.items():
            assert not walked(plans.of(name, params), _LARGE), plans.of(name, params)


@pytest.mark.parametrize("name", _TEXTS)
def test_replayable_runs_are_read_by_an_index_on_a_server(postgres, name):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        found = "\n".join(plans.of(name))
        assert "Seq Scan on" not in found.replace("Function Scan", ""), found
