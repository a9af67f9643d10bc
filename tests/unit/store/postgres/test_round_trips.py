"""How often a group asks the server, and what it may believe of what was asked before."""

import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from mainspring.store.postgres.transaction import PostgresTransaction
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess, audited, outcome

CLAIM, STEPS, ENDS, STARTS = 5, 3, 4, 9
"""The most messages of a group of each."""
MARKED_STEP, END = 3, 6
"""The most messages for one of them."""


@pytest.fixture
def worker(postgres):
    """A worker in an empty store."""
    process = PostgresProcess(postgres.new_store(), FakeClock()).open()
    process.announce("a")
    yield process
    process.close()


def test_claim_reads_its_data_in_one_round_trip(worker, messages):
    """A claim waits for few answers, not for one of each of its statements."""
    worker.start("a")
    messages.clear()
    (run,) = worker.do(ClaimRuns("c1", 10)).runs
    assert run.automation == "a"
    assert len(messages) <= CLAIM


def test_steps_and_ends_of_many_runs_ask_as_often_as_those_of_two(worker, messages):
    """The number of questions does not grow with the group."""
    counts = []
    for many in (2, 40):
        for _ in range(many):
            worker.start("a")
        runs = worker.do(ClaimRuns(f"c{many}", many)).runs
        messages.clear()
        worker.do(*(outcome(run, 1) for run in runs))
        saved = len(messages)
        worker.do(*(FinishRun(run.id, run.claim, RunState.SUCCEEDED, 1, b"1") for run in runs))
        counts.append((saved, len(messages) - saved))
    assert counts[0] == counts[1]
    assert counts[0] <= (STEPS, ENDS)


def test_one_step_and_one_end_ask_little(worker, messages):
    """What a step and an end delete goes to the server with the next statement."""
    worker.start("a")
    (run,) = worker.do(ClaimRuns("c1", 1)).runs
    messages.clear()
    worker.do(outcome(run, 1, marked=True))
    saved = len(messages)
    worker.do(FinishRun(run.id, run.claim, RunState.SUCCEEDED, 1, b"1"))
    assert saved <= MARKED_STEP
    assert len(messages) - saved <= END


def test_many_audited_starts_ask_as_often_as_two(worker, messages):
    """Programs and the API start runs by operations, each with its row in the audit log."""
    counts = []
    worker.do(audited(worker.starting("a"), verb="start"))
    for many in (2, 40):
        starts = [audited(worker.starting("a"), verb="start") for _ in range(many)]
        messages.clear()
        worker.do(*starts)
        counts.append(len(messages))
    assert counts[0] == counts[1] <= STARTS


def test_answer_that_came_ahead_is_not_believed_after_anything_else_ran(worker):
    """What was asked ahead is asked again as soon as a statement stood in between."""
    connection = worker.database.connection
    connection.execute("begin")
    connection.execute("select set_config('search_path', $1, true)", (worker.database.address.schema,))
    transaction = PostgresTransaction(
        connection.cursor(), worker.database.address.schema, now=1, session=worker.session, again=False, sealing=None
    )
    question = ("read_meta", ("word",))
    transaction.ahead([question, question])
    assert transaction.first(*question) is None
    transaction.change("put_meta", ("word", "said"))
    assert transaction.first(*question) == ("said",)
    transaction.later("delete_meta", ("word",))
    assert transaction.first(*question) is None
    connection.execute("rollback")
