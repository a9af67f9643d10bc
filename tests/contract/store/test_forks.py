"""Forks of finished runs, on every database."""

from typing import Any

import msgspec
import pytest

from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.runs.fork_origin import InheritedPart, read_fork_origin
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState, RunState
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.run_control import ForkRun
from mainspring.store.commands.runs import CancelRun, RunKey
from mainspring.store.read.runs.run_views import run_history, run_view
from tests.contract.store.process import fail, finish, outcome, suspend


def make_fork(store: Any, source: str, step: str, **options) -> ForkRun:
    start = store.starting(kind="workflow", healthy=HealthRule.ITEM, **options)
    return ForkRun(start, source, step)


def run_steps(store: Any, number: int, **options):
    """Run a workflow of so many steps, which then fails at the next one."""
    run = store.begin(kind="workflow", **options)
    store.do(*(outcome(run, rank, undo="undo_it") for rank in range(1, number + 1)))
    store.do(
        outcome(run, number + 1, state=OutcomeState.FAILED, output=None),
        fail(run, f"s{number + 1}", rank=number + 1),
    )
    return run


def outcomes_of(store: Any, run: str) -> list[tuple[int, str, int]]:
    return [(o.rank, o.ident, o.request_number) for o in run_history(store.reader, run).outcomes]


def test_fork_inherits_what_was_requested_before_the_step(store):
    """With its result, without its undo; the source stays as it is."""
    run = run_steps(store, 3)
    command = make_fork(store, run.id, "s3", input=b'{"n": 2}')
    answer = store.do(command)
    assert answer == StartAnswer(command.start.id, created=True)
    assert store.again(command).run == answer.run
    assert outcomes_of(store, answer.run) == [(1, "s1", 1), (2, "s2", 2)]
    inherited = run_history(store.reader, answer.run).outcomes
    assert [(o.output, o.undo, o.generation) for o in inherited] == [(b"1", None, 0)] * 2
    view = run_view(store.reader, answer.run)
    assert (view.state, view.input, view.run_key) == (RunState.QUEUED, b'{"n": 2}', None)
    origin = read_fork_origin(view.fork)
    assert (origin.run, origin.step, origin.parts) == (run.id, "s3", (InheritedPart(2, run.id, run.started_at),))
    assert run_view(store.reader, run.id).state is RunState.FAILED
    claimed = store.claim_one()
    assert (claimed.id, claimed.fresh, claimed.rank, claimed.fork) == (answer.run, True, 2, view.fork)
    store.do(outcome(claimed, 3), finish(claimed, rank=3))


def test_ranks_of_a_fork_have_no_gap_where_the_source_had_other_generations(store):
    """`db check` finds nothing, and each request follows the outcome that it followed."""
    run = store.begin(kind="workflow")
    rows = [outcome(run, rank) for rank in (1, 2, 3, 4)]
    rows = [msgspec.structs.replace(row, requested_after=row.rank - 1) for row in rows]
    cancelled = msgspec.structs.replace(
        outcome(run, 5, "cancel#5"), kind=OutcomeKind.CANCEL, request_number=0, requested_after=0
    )
    store.do(*rows[:2], msgspec.structs.replace(rows[2], request_number=9), rows[3], cancelled)
    store.do(msgspec.structs.replace(outcome(run, 6), requested_after=4), finish(run, rank=6))
    fork = store.do(make_fork(store, run.id, "s6")).run
    assert outcomes_of(store, fork) == [(1, "s1", 1), (2, "s2", 2), (3, "s4", 4)]
    after = store.reader.read_text("select rank, requested_after from journal where run = ? order by rank", (fork,))
    assert [tuple(row) for row in after] == [(1, 0), (2, 1), (3, 2)]


def test_fork_of_a_fork_knows_who_made_each_outcome(store):
    """The parts name the runs in order."""
    first = run_steps(store, 3)
    second = store.do(make_fork(store, first.id, "s3")).run
    claimed = store.claim_one()
    store.do(outcome(claimed, 3), outcome(claimed, 4), finish(claimed, rank=4))
    third = store.do(make_fork(store, second, "s4")).run
    parts = read_fork_origin(run_view(store.reader, third).fork).parts
    assert [(part.last_rank, part.run) for part in parts] == [(2, first.id), (3, second)]
    fourth = store.do(make_fork(store, second, "s2")).run
    parts = read_fork_origin(run_view(store.reader, fourth).fork).parts
    assert [(part.last_rank, part.run) for part in parts] == [(1, first.id)]


def test_fork_from_the_first_step_inherits_nothing(store):
    """It is a start like any other, which a cancel ends at once."""
    run = run_steps(store, 1)
    fork = store.do(make_fork(store, run.id, "s1")).run
    assert outcomes_of(store, fork) == []
    store.do(CancelRun(fork, "c1"))
    assert run_view(store.reader, fork).state is RunState.CANCELLED


def test_success_of_a_fork_settles_the_failure_of_its_source(store):
    """They are about the same item."""
    run = run_steps(store, 1)
    fork = store.do(make_fork(store, run.id, "s2")).run
    rows = store.reader.read_text("select id, item from runs where id = ?", (fork,))
    assert [tuple(row) for row in rows] == [(fork, run.id)]


def test_fork_under_a_known_key_is_the_run_of_that_key(store):
    """It inherits nothing from the source."""
    known = store.start(kind="workflow", run_key=RunKey("k", "h")).run
    store.do(finish(store.claim_one()))
    run = run_steps(store, 2)
    answer = store.do(make_fork(store, run.id, "s2", run_key=RunKey("k", "h")))
    assert (answer.run, answer.created) == (known, False)
    assert outcomes_of(store, known) == []


@pytest.mark.parametrize(("options", "code"), [({"codec": "other"}, "sealed_otherwise"), ({"automation": "a"}, None)])
def test_codec_of_a_fork_is_that_of_its_source(store, options, code):
    """Its worker could not read the inherited values."""
    run = run_steps(store, 2)
    answer = store.do(make_fork(store, run.id, "s2", **options))
    assert (answer.code if isinstance(answer, Refused) else None) == code


def test_refusals_name_what_is_in_the_way(store):
    """With the state of the run, or the step."""
    unknown = store.do(make_fork(store, "r_none", "s1"))
    assert unknown.code == "not_found"
    run = store.begin(kind="workflow")
    live = store.do(make_fork(store, run.id, "s1"))
    assert (live.code, "only a run that has ended can be forked" in live.text) == ("wrong_state", True)
    store.do(outcome(run, 1, state=OutcomeState.IN_DOUBT, output=None), suspend(run, rank=1))
    other = run_steps(store, 1)
    assert store.do(make_fork(store, other.id, "s9")).code == "no_such_step"
    task = store.begin(kind="task")
    store.do(finish(task))
    assert store.do(make_fork(store, task.id, "s1")).code == "wrong_state"


def test_unsettled_step_is_not_inherited(store):
    """A fork from it or from an earlier step is possible."""
    run = store.begin(kind="workflow")
    doubt = outcome(run, 1, state=OutcomeState.IN_DOUBT, output=None)
    store.do(doubt, outcome(run, 2), fail(run, "s2", rank=2))
    assert store.do(make_fork(store, run.id, "s2")).code == "unsettled_before"
    assert store.do(make_fork(store, run.id, "s1")).created


def test_undone_step_is_not_inherited(store):
    """Its effect is undone."""
    run = store.begin(kind="workflow")
    undo = msgspec.structs.replace(outcome(run, 3, "undo:s1"), kind=OutcomeKind.UNDO)
    store.do(outcome(run, 1, undo="u"), outcome(run, 2), undo, fail(run, "s2", rank=3))
    refused = store.do(make_fork(store, run.id, "s2"))
    assert (refused.code, "step s1 is undone; fork from it" in refused.text) == ("undone_before", True)
    assert store.do(make_fork(store, run.id, "s1")).created


@pytest.mark.parametrize("kind", [OutcomeKind.CANCEL, OutcomeKind.DEADLINE])
def test_end_of_a_run_is_no_step_to_fork_from(store, kind):
    """Its outcome has no place among the requests."""
    run = store.begin(kind="workflow")
    stop = msgspec.structs.replace(outcome(run, 2, f"{kind}#2"), kind=kind, request_number=0)
    store.do(outcome(run, 1), stop, finish(run, RunState.CANCELLED, rank=2))
    assert store.do(make_fork(store, run.id, f"{kind}#2")).code == "no_such_step"


def test_fork_from_the_end_inherits_all_but_the_end(store):
    """For a run that was cancelled between two steps."""
    run = store.begin(kind="workflow")
    stop = msgspec.structs.replace(outcome(run, 3, "cancel#3"), kind=OutcomeKind.CANCEL, request_number=0)
    store.do(outcome(run, 1), outcome(run, 2), stop, finish(run, RunState.CANCELLED, rank=3))
    fork = store.do(make_fork(store, run.id, None)).run
    assert outcomes_of(store, fork) == [(1, "s1", 1), (2, "s2", 2)]
    assert read_fork_origin(run_view(store.reader, fork).fork).step == ""
    assert [row.id for row in run_history(store.reader, run.id).forks] == [fork]


def test_step_that_followed_a_cancel_is_no_start_of_a_fork(store):
    """Its code requested it because of the cancel; a fork from the end starts before that."""
    run = store.begin(kind="workflow")
    stop = msgspec.structs.replace(outcome(run, 2, "cancel#2"), kind=OutcomeKind.CANCEL, request_number=0)
    cleanup = msgspec.structs.replace(outcome(run, 3, "cleanup"), request_number=3, requested_after=2)
    later = msgspec.structs.replace(outcome(run, 4, "later"), request_number=4, requested_after=3)
    store.do(outcome(run, 1), stop, cleanup, later, finish(run, RunState.CANCELLED, rank=4))
    for step in ("cleanup", "later"):
        assert store.do(make_fork(store, run.id, step)).code == "after_stop"
    assert outcomes_of(store, store.do(make_fork(store, run.id, None)).run) == [(1, "s1", 1)]


def test_attempt_in_doubt_is_not_inherited_by_silence(store):
    """The body had cancelled its step, so no outcome tells of the doubt."""
    run = store.begin(kind="workflow")
    attempt = SaveAttempt(run.id, run.claim, "s1", "s1", 0, 1, AttemptState.IN_DOUBT, 1, 1, "a")
    cancelled = msgspec.structs.replace(outcome(run, 1), state=OutcomeState.CANCELLED, output=None)
    store.do(attempt, cancelled, outcome(run, 2), fail(run, "s3", rank=2))
    assert store.do(make_fork(store, run.id, "s2")).code == "unsettled_before"


def test_fork_waits_for_the_rate_of_its_queue_like_a_start(store, clock):
    """And counts as one."""
    run = run_steps(store, 1)
    store.do(SetQueue("slow", rate_count=1, rate_per_ms=60_000))
    started = store.start(queue="slow").run
    assert store.ids() == [started]
    fork = store.do(make_fork(store, run.id, "s2", queue="slow")).run
    assert store.ids() == []
    clock.forward(61_000)
    assert store.ids() == [fork]


def test_workflow_that_became_a_task_cannot_be_forked(store):
    """Its one step would run all of it again."""
    run = run_steps(store, 1)
    command = make_fork(store, run.id, "s2")
    refused = store.do(ForkRun(msgspec.structs.replace(command.start, kind="task"), command.source, command.step))
    assert (refused.code, "is a task" in refused.text) == ("wrong_state", True)
