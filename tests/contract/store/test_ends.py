"""A commit names the runs that it ended or stopped: by them those who wait for a result in the same process are woken."""

from mainspring.domain.states import AttemptState, RunState
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import CancelRun
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.incidents import ungrouped_failures
from tests.contract.store.process import complete, fail, finish, halt, suspend


def _ended(process, *commands):
    """Commit a group; return the runs that its report names."""
    report = process.database.commit(list(commands))
    assert all(not isinstance(result, Exception) for result in report.results)
    return sorted(report.changes.ended)


def test_a_commit_names_each_run_that_it_ends_or_stops(store):
    """Whichever way it ends; a run that only waits is not named."""
    done, failed, halted, waiting = (store.begin() for _ in range(4))
    assert _ended(store, finish(done)) == [done.id]
    assert _ended(store, fail(failed)) == [failed.id]
    assert _ended(store, halt(halted)) == [halted.id]
    assert _ended(store, suspend(waiting)) == []
    short = store.begin()
    assert _ended(store, complete(short)) == [short.id]
    fresh = store.start().run
    assert _ended(store, CancelRun(fresh, "c1")) == [fresh]
    assert store.state(fresh) is RunState.CANCELLED


def test_a_group_names_all_runs_that_it_ends(store):
    """Also where one statement ends many; an end that is refused is not named."""
    first, second, third, fourth = (store.begin() for _ in range(4))
    assert store.do(finish(fourth)) == DONE
    assert _ended(store, complete(first), complete(second), finish(third), finish(fourth)) == sorted(
        [first.id, second.id, third.id]
    )


def test_a_run_that_is_quarantined_is_named(store, second):
    """Its worker died of it."""
    run = store.begin()
    assert run.id in _ended(second, DeclareSessionDead(store.session, probation_run=run.id, limit=1, crashed=True))
    assert second.state(run.id) is RunState.NEEDS_ATTENTION


def test_a_run_that_is_quarantined_states_how_its_worker_died(store, second, clock):
    """In its headline, which the incident has too: the end that the supervisor saw, and the step that was under way."""
    run = store.begin()
    store.do(SaveAttempt(run.id, run.claim, "killer#1", "killer", 0, 1, AttemptState.STARTED, 1, clock.now(), "a"))
    second.do(DeclareSessionDead(store.session, probation_run=run.id, limit=1, crashed=True, ending="exit 0"))
    assert second.run(run.id).failure.headline == "crashes worker: exit 0 in step killer"
    (fault,) = ungrouped_failures(second.reader)
    assert fault.failure.headline == "crashes worker: exit 0 in step killer"


def test_ended_and_stopped_runs_are_found_among_those_that_are_awaited(store):
    """One read for many; runs that continue, or are not asked for, are left out."""
    done, halted, running, other = (store.begin() for _ in range(4))
    store.do(finish(done), halt(halted), finish(other))
    ids = f'["{done.id}", "{halted.id}", "{running.id}", "none"]'
    assert {row[0] for row in store.reader.read("list_ended_among", (ids,))} == {done.id, halted.id}
