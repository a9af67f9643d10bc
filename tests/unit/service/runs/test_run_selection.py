"""Which runs a filter means: by when they were created and when they ended, by their error, and as the list of what failed has them."""

from itertools import product

import pytest

from mainspring.alerting.inputs.failure_groups import failure_fingerprint, group_failures
from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.service.runs.bulk import CANCELLABLE, RETRYABLE
from mainspring.service.runs.run_selection import RunFilter, RunSelection, select_run_ids, select_runs
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.commands.runs import ClaimRuns, ParentLink, ReopenRun, StartRun
from mainspring.store.read.incidents import ungrouped_failures
from mainspring.store.read.operation_reads import OperationReads
from tests.contract.store.process import audited, fail, finish, halt

HOUR = 3_600_000
DENIED = Failure("ClientError", "denied", "403")


@pytest.fixture
def runs(store, begin, clock):
    """Six runs, created an hour apart: three failed an hour apart when all were there, one by another error, one is halted, one runs."""
    made = []
    for _ in range(6):
        made.append(begin())
        clock.forward(HOUR)
    for run in made[:3]:
        clock.forward(HOUR)
        store.apply(fail(run))
    store.apply(finish(made[3], RunState.FAILED, failure=DENIED))
    store.apply(halt(made[4]))
    return [run.id for run in made]


def test_runs_are_chosen_by_when_they_were_created(reads, runs):
    """From an instant on, to before another."""
    created = [reads.run_history(run).run.created_at for run in runs]
    for first, last in product((None, 1, 3), (None, 2, 4)):
        since_at, until_at = (None if index is None else created[index] for index in (first, last))
        expected = RunFilter(states=tuple(RunState), since_at=since_at, until_at=until_at)
        assert select_run_ids(reads, expected) == runs[first or 0 : last]


def test_runs_that_came_later_are_not_read(store, runs):
    """There may be a million of them: anyone who asks for those before an instant waits for no page of others."""
    read = []

    class Seen(OperationReads):
        def list_runs(self, **expected):
            page = super().list_runs(**expected)
            read.extend(row.id for row in page.runs)
            return page

    until_at = Seen(store.reader).run_history(runs[2]).run.created_at
    assert select_run_ids(Seen(store.reader), RunFilter(states=tuple(RunState), until_at=until_at)) == runs[:2]
    assert read == runs[1::-1]


def test_run_of_after_the_span_is_not_chosen_where_the_clock_was_put_back(reads, begin, clock):
    """Then commit order is not that of time, by which the store looks for the end of a span: of what is acted on each is looked at."""
    made = []
    for hours in (0, 2, -3, 0, 0):
        clock.forward(hours * HOUR)
        made.append(begin().id)
    until_at = reads.run_history(made[1]).run.created_at
    assert select_run_ids(reads, RunFilter(states=CANCELLABLE, until_at=until_at)) == [made[0], *made[2:]]


def test_runs_are_chosen_by_when_they_ended_or_stood_still(reads, runs):
    """However long ago they were created; what continues has no end, so no span of ends means it."""
    ends = {failure.run: failure.at for failure in reads.last_faults(runs)}
    assert ends.keys() == set(runs[:5])
    for since_at, until_at in product([0, *ends.values()], [None, *ends.values()]):
        expected = RunFilter(states=tuple(RunState), ended_since_at=since_at, ended_until_at=until_at)
        fits = [run for run in runs[:5] if ends[run] >= since_at and (until_at is None or ends[run] < until_at)]
        assert select_run_ids(reads, expected) == fits
    assert select_run_ids(reads, RunFilter(states=CANCELLABLE, ended_since_at=0)) == [runs[4]]


def test_run_that_continues_again_has_no_end(store, reads, runs):
    """What it failed by is over."""
    store.apply(audited(ReopenRun(runs[0])))
    assert select_run_ids(reads, RunFilter(states=tuple(RunState), ended_since_at=0)) == runs[1:5]


def test_failed_child_is_reported_by_its_parent(store, reads, runs, act):
    """It is a failed run, and stands in no list of what failed: an act on that list does not reach it."""
    link = ParentLink(runs[5], "root/child#1", 1)
    values = {"automation": "backup", "kind": "task", "version": 1, "input": b"[1]", "codec": "json", "trigger": "x"}
    store.apply(StartRun(id="r_child", parent=link, **values))
    (child,) = store.apply(ClaimRuns(act().command, 5)).runs
    store.apply(fail(child))
    assert "r_child" in select_run_ids(reads, RunFilter(states=RETRYABLE))
    assert select_run_ids(reads, RunFilter(states=RETRYABLE, unsettled=True)) == runs[:5]


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("is_grouped", [True, False])
def test_error_is_a_start_of_a_fingerprint(store, reads, clock, runs, state, is_grouped):
    """Whether a watcher has grouped what failed or not."""
    error = failure_fingerprint(reads.last_faults(runs[3:4])[0]).id
    if is_grouped:
        found = group_failures(ungrouped_failures(store.reader), lambda text: text)
        store.apply(RecordEvaluation(started_at=clock.now(), groups=found.groups))
    for written in (error, error[:6]):
        assert select_run_ids(reads, RunFilter(states=RETRYABLE, unsettled=state, error=written)) == [runs[3]]
    assert select_runs(reads, RunFilter(states=RETRYABLE, unsettled=state, error="zzzz")) == RunSelection((), ())


def test_limit_applies_to_the_newest_visible_runs(reads, runs):
    """Oldest first all the same."""
    assert select_run_ids(reads, RunFilter(states=RETRYABLE, limit=2, unsettled=True)) == runs[3:5]
    assert select_runs(reads, RunFilter(states=RETRYABLE), lambda _: False) == RunSelection((), ())
