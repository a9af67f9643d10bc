"""Queries of runs, on every database: one session accepts each, and the first answer counts."""

import pytest

from mainspring.domain.errors import NotFoundError
from mainspring.domain.failures.failure import Failure
from mainspring.store.commands.queries import AcceptQuery, AnswerQuery, AskQuery
from mainspring.store.commands.results import DONE, QueryStored, Refused
from mainspring.store.read.runs.run_views import query_view
from tests.contract.store.process import signal, suspend


def ask(store, run, id="q1", within_ms=10_000):
    return store.do(AskQuery(id, run.id, "total", b"1", within_ms))


def open_queries(store, clock, session=None):
    return [query.id for query in store.engine_reads.open_queries(session or store.session, clock.now())]


def test_one_session_accepts_a_query(store, second, clock):
    """Of a run that no session owns several may answer: the first one accepts it, and gets the same answer again."""
    run = store.begin(kind="workflow")
    store.do(suspend(run))
    assert ask(store, run) == QueryStored("q1", run.id)
    assert open_queries(store, clock) == ["q1"]
    assert store.twice(AcceptQuery("q1")) == DONE
    assert open_queries(store, clock) == []
    refused = second.do(AcceptQuery("q1"))
    assert isinstance(refused, Refused)
    assert refused.code == "accepted"


def test_first_answer_counts(store):
    """A later one changes nothing."""
    run = store.begin(kind="workflow")
    ask(store, run)
    store.do(AcceptQuery("q1"))
    store.twice(AnswerQuery("q1", b"5"))
    store.do(AnswerQuery("q1", None, Failure("ValueError", "invalid", "no")))
    view = query_view(store.reader, "q1")
    assert (view.result, view.failure) == (b"5", None)
    assert view.answered_at is not None


def test_query_is_open_until_its_caller_gives_up(store, clock):
    """Later it is no one's, and the next query deletes it."""
    run = store.begin(kind="workflow")
    ask(store, run)
    clock.forward(10_000)
    assert open_queries(store, clock) == []
    clock.forward(1)
    ask(store, run, "q2")
    with pytest.raises(NotFoundError):
        query_view(store.reader, "q1")
    assert open_queries(store, clock) == ["q2"]


def test_owner_of_a_run_answers(store, second, clock):
    """Another session does not, as long as the run is claimed."""
    run = store.begin(kind="workflow")
    ask(store, run)
    assert open_queries(store, clock, second.session) == []
    assert open_queries(store, clock) == ["q1"]


def test_query_changes_no_run(store):
    """Neither its inbox, its journal nor its readiness."""
    run = store.begin(kind="workflow")
    store.do(suspend(run))
    before = store.run(run.id)
    ask(store, run)
    assert store.run(run.id) == before
    store.do(signal(run.id, "s1"))
    assert store.run(run.id).ready
