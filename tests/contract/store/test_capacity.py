"""Room in a limited queue whose ready runs need different workers: who is notified of it, and who gets it."""

import pytest

from mainspring.store.commands.automations import PauseAutomation, SetQueue
from mainspring.store.commands.sessions import (
    CloseSession,
    DeclareSessionDead,
    DrainSession,
    RecordBlockedLoop,
    WakeWorkers,
)
from tests.contract.store.process import complete, finish, halt, suspend

ENDS = {"complete": complete, "finish": finish, "suspend": suspend, "halt": halt}


@pytest.fixture
def narrow(store):
    """A worker that carries the tag gpu, and a queue that runs two at once."""
    store.do(SetQueue("narrow", concurrency=2))
    return store


@pytest.fixture
def other(narrow, new_process):
    """Another worker, with the tag cpu and room for eight runs."""
    process = new_process().open(capacity=8)
    process.announce("a", "b")
    assert process.ids(tags=("cpu",)) == []
    return process


def begin_two(store, queue="narrow"):
    """Let the worker hold all the room of the queue."""
    for _ in range(2):
        store.start(queue=queue, tag="gpu")
    return store.claim(tags=("gpu",)).runs


def announces(store, *commands):
    """Tell whether a commit is news for other processes."""
    return store.database.commit(list(commands)).changes.ready


@pytest.mark.parametrize("many", [1, 2])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_end_in_limited_queue_announces_capacity_for_run_of_another_worker(narrow, end, many):
    """However a run lets its place go, alone or with others in one commit."""
    runs = begin_two(narrow)
    narrow.start(queue="narrow", tag="cpu")
    assert announces(narrow, *(end(run) for run in runs[:many]))


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_end_announces_nothing_where_it_frees_no_capacity_for_others(narrow, end):
    """Its own worker asks by itself; a queue without a limit has room; and what is paused is not waited for."""
    narrow.do(PauseAutomation("b", None, "ann", None))
    unlimited = begin_two(narrow, "default")
    limited = begin_two(narrow)
    narrow.start(queue="narrow", tag="gpu")
    narrow.start("b", queue="narrow", tag="cpu")
    narrow.start(queue="default", tag="cpu")
    assert not announces(narrow, *(end(run) for run in (*unlimited, *limited)))


@pytest.mark.parametrize("role", ["run", "probation"])
def test_end_in_a_process_that_takes_no_ordinary_run_announces_capacity(narrow, new_process, role):
    """What it could take by its tags and code it leaves to others."""
    process = new_process().open(role)
    process.announce("a")
    runs = begin_two(process)
    narrow.start(queue="narrow", tag="gpu")
    assert announces(process, finish(runs[0]))


def test_end_on_a_worker_that_was_ordered_to_drain_announces_capacity(narrow):
    """It takes nothing more."""
    runs = begin_two(narrow)
    narrow.start(queue="narrow", tag="gpu")
    narrow.do(DrainSession(narrow.session))
    assert announces(narrow, finish(runs[0]))


def test_end_announces_capacity_for_a_run_on_probation(narrow, second):
    """Only a process of probation takes it."""
    runs = begin_two(narrow)
    second.start(queue="narrow", tag="cpu")
    second.claim(tags=("cpu",))
    narrow.do(finish(runs[0]))
    assert len(second.claim(tags=("cpu",)).runs) == 1
    narrow.do(DeclareSessionDead(second.session, crashed=True))
    assert announces(narrow, finish(runs[1]))


def test_end_that_frees_a_partition_key_announces_the_next_run(store):
    """Anyone who can take it."""
    store.start(partition="p")
    run = store.claim_one()
    store.start(partition="p", tag="cpu")
    assert announces(store, finish(run))


def test_waking_workers_is_news_of_ready_runs(store):
    """A worker that drains says so after each end."""
    assert announces(store, WakeWorkers())


# -- who gets it -------------------------------------------------------------------------------------------------------


def claim(process, *tags, limit=10, **options):
    """Claim; return the runs, and the queues in which room was left."""
    claimed = process.claim(limit, tags=tags, **options)
    return [run.id for run in claimed.runs], claimed.yielded_queues


def test_claim_leaves_capacity_to_older_runs_that_another_worker_can_take(narrow, other):
    """Place by place: what is older than theirs is taken, what is younger waits."""
    first = narrow.start(queue="narrow", tag="gpu").run
    other_end = narrow.start(queue="narrow", tag="cpu").run
    narrow.start(queue="narrow", tag="gpu")
    assert claim(narrow, "gpu") == ([first], ("narrow",))
    assert claim(other, "cpu") == ([other_end], ())


def test_claim_that_insists_takes_the_capacity(narrow, other):
    """The other worker had its time."""
    other.start(queue="narrow", tag="cpu")
    runs = [narrow.start(queue="narrow", tag="gpu").run for _ in range(2)]
    assert claim(narrow, "gpu") == (runs[:1], ("narrow",))
    assert claim(narrow, "gpu", insists=("narrow",)) == (runs[1:], ())


def test_claim_leaves_no_capacity_where_all_fit_or_theirs_are_younger(narrow, other):
    """Nothing is left empty for a run that would not get the place anyway."""
    narrow.start(queue="narrow", tag="cpu")
    run = narrow.start(queue="narrow", tag="gpu").run
    assert claim(narrow, "gpu") == ([run], ())
    assert len(other.ids(tags=("cpu",))) == 1
    other.start(queue="default", tag="cpu")
    assert len(claim(narrow, "gpu")[0]) == 0
    free = narrow.start(queue="default", tag="gpu").run
    assert claim(narrow, "gpu") == ([free], ())


def hinder_full(narrow, other):
    for _ in range(8):
        other.start(queue="default", tag="cpu")
    assert len(other.ids(tags=("cpu",))) == 8


HINDRANCES = {
    "full": hinder_full,
    "draining": lambda narrow, other: narrow.do(DrainSession(other.session)),
    "blocked": lambda narrow, other: other.do(RecordBlockedLoop(5_000, ("main.py:1",))),
    "paused": lambda narrow, other: narrow.do(PauseAutomation("b", None, "ann", None)),
    "other queues": lambda narrow, other: other.claim(tags=("cpu",), queues=("default",)),
    "other tags": lambda narrow, other: other.claim(tags=("disk",)),
    "gone": lambda narrow, other: other.do(CloseSession()),
}


@pytest.mark.parametrize("hinder", HINDRANCES.values(), ids=HINDRANCES)
def test_claim_leaves_no_capacity_to_a_worker_that_cannot_take_it(narrow, other, hinder):
    """Its runs keep their turn, but hold no one up."""
    hinder(narrow, other)
    for _ in range(2):
        narrow.start("b", queue="narrow", tag="cpu")
    runs = [narrow.start(queue="narrow", tag="gpu").run for _ in range(2)]
    assert claim(narrow, "gpu") == (runs, ())
