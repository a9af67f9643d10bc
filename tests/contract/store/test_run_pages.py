"""Lists of runs in a filter: what they give is what is there, in order, page by page, and no more is looked at than may be."""

from itertools import product

import pytest

from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.read.runs import run_pages
from mainspring.store.read.runs.run_pages import run_page
from mainspring.store.read.runs.run_views import list_runs
from tests.contract.store.process import fail, finish, outcome

S = RunState
STATES = ((), (S.QUEUED,), (S.RUNNING, S.FAILED), (S.SUCCEEDED,))


@pytest.fixture
def made(store):
    """Twelve runs of two automations in two queues, in five states, and the ids of those that a retry healed."""
    store.do(*[store.starting("ab"[n % 2], queue="slow" if n % 3 == 0 else "default") for n in range(12)])
    claimed = store.claim(7).runs
    # A step at the second attempt heals; one that is over with its last attempt does not, nor does one that went well at once.
    store.do(
        *[outcome(run, 1, "load", attempt=n % 3 + 1) for n, run in enumerate(claimed[:3])],
        *[outcome(run, 1, "load", attempt=3, state=OutcomeState.FAILED) for run in claimed[3:4]],
        *[outcome(run, rank, "load", attempt=2) for run in claimed[6:7] for rank in (1, 2)],
    )
    store.do(*[finish(run, rank=1) for run in claimed[:3]], *[fail(run) for run in claimed[4:5]])
    store.do(*[fail(run, rank=1) for run in claimed[3:4]])
    return store.list_runs(limit=50).runs, {claimed[n].id for n in (1, 2, 6)}


@pytest.fixture
def rows(made):
    """All of them, newest first."""
    return made[0]


def walked(store, **filters):
    """Return the ids of all pages, and how many pages there were."""
    found, pages, cursor = [], 0, None
    while True:
        page = run_page(store.reader, limit=2, cursor=cursor, **filters)
        found, pages = found + [row.id for row in page.runs], pages + 1
        if page.cursor is None:
            return found, pages
        cursor = page.cursor


@pytest.mark.parametrize(("rows_read", "each"), [(1_000, 200), (3, 200), (3, 1)], ids=["whole", "parts", "many"])
def test_pages_hold_what_is_requested_once_each(store, made, monkeypatch, rows_read, each):
    """Whatever is asked for, and however little of it is looked at for one page."""
    rows, of_retries = made
    monkeypatch.setattr(run_pages, "MOST_SEARCHED", rows_read)
    monkeypatch.setattr(run_pages, "_EACH", each)
    filters = product(STATES, (None, ["a"], ["a", "b"], []), (None, "slow", "nowhere"), (False, True))
    for states, names, queue, healed in filters:
        expected = [
            row.id
            for row in rows
            if (not states or row.state in states)
            and (names is None or row.automation in names)
            and queue in (None, row.queue)
            and (not healed or row.id in of_retries)
        ]
        found, _ = walked(store, states=states, names=names, queue=queue, healed=healed)
        assert found == expected, (states, names, queue, healed)


def test_page_of_a_queue_reads_so_many_and_states_where_it_continues(store, rows, monkeypatch):
    """Nothing is there: that is found out part by part."""
    monkeypatch.setattr(run_pages, "MOST_SEARCHED", 5)
    assert walked(store, queue="nowhere") == ([], 3)
    assert walked(store, queue="nowhere", states=(S.RUNNING,)) == ([], 1)


def test_page_ends_where_what_is_requested_is_too_old(store, rows, clock):
    """Whatever is behind it."""
    clock.forward(1_000)
    late = store.start("a", queue="slow").run
    for filters in ({}, {"names": ["a"]}, {"queue": "slow"}, {"names": ["a"], "queue": "slow", "states": (S.QUEUED,)}):
        assert walked(store, since_at=clock.now(), **filters) == ([late], 1)


def test_page_ends_before_an_instant(store, rows, clock):
    """What was created from then on is left out, page by page, by whatever else is asked for; with a beginning it is a span."""
    clock.forward(1_000)
    at = clock.now()
    late = [store.start("a", queue="slow").run, store.start("b").run]
    clock.forward(1_000)
    for filters in ({}, {"names": ["a"]}, {"queue": "slow"}, {"names": ["a"], "queue": "slow", "states": (S.QUEUED,)}):
        everything = walked(store, **filters)[0]
        assert walked(store, until_at=at, **filters)[0] == [run_id for run_id in everything if run_id not in late], (
            filters
        )
        assert walked(store, until_at=at + 1, **filters)[0] == everything, filters
    assert walked(store, since_at=at, until_at=at)[0] == []
    assert walked(store, since_at=at, until_at=at + 1)[0] == late[::-1]
    assert [row.id for row in list_runs(store.reader, until_at=at, limit=50).runs] == [row.id for row in rows]
    page = list_runs(store.reader, until_at=at, limit=2)
    assert list_runs(store.reader, until_at=at, limit=1, cursor=page.cursor).runs == [rows[2]]
