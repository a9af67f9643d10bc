"""The load of queues: what can be taken now, since when, and by whom."""

import pytest

from mainspring.store.commands.automations import PauseAutomation, PauseQueue, SetMeta, SetQueue
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.sessions import DrainSession, OpenSession
from mainspring.store.queue_load import TagLoad
from mainspring.store.read.status.queue_loads import queue_loads
from mainspring.store.restore_hold import HOLD_KEY
from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server


@pytest.fixture
def loads(store, clock):
    return lambda: {load.name: load for load in queue_loads(store.reader, clock.now())}


def test_load_reports_claimable_runs_and_their_age(store, clock, loads):
    """By queue and by tag; a run that is due later, or is running, cannot be taken."""
    store.start(queue="mail")
    clock.forward(3_000)
    store.start(queue="mail")
    store.start("b", queue="mail", tag="gpu")
    clock.forward(1_000)
    store.start(queue="mail", due_at=clock.now() + 60_000)
    found = loads()["mail"]
    assert (found.claimable, found.oldest_s, found.backlog) == (3, 4.0, 4)
    assert found.tags == {"": TagLoad(2, 4.0), "gpu": TagLoad(1, 1.0)}
    store.claim(1, queues=("mail",))
    assert (loads()["mail"].claimable, loads()["mail"].running, loads()["mail"].oldest_s) == (2, 1, 1.0)


def test_nothing_that_is_paused_can_be_taken(store, loads):
    """A paused queue, a paused automation, a store that is held: more machines would not help."""
    store.start()
    store.start("b")
    store.do(PauseAutomation("a", None, "ann", None))
    assert loads()["default"].claimable == 1
    store.do(PauseQueue("default", True, "ann"))
    assert (loads()["default"].claimable, loads()["default"].oldest_s, loads()["default"].backlog) == (0, None, 2)
    store.do(PauseQueue("default", False, "ann"))
    store.do(SetMeta(HOLD_KEY, "restored"))
    assert loads()["default"].claimable == 0


def test_capacity_is_what_live_workers_take_within_the_limit(new_process, clock):
    """Workers that drain, or take from other queues, do not count."""
    made = []
    for capacity, queues in ((10, None), (20, ("mail",)), (40, ("other",))):
        process = new_process()
        uuid = process.name("session")
        opening = OpenSession(uuid, "worker", "h", "box", 1, "1", f"/{uuid}", capacity=capacity)
        process.do(opening)
        process.announce("a")
        process.do(ClaimRuns(process.name("c"), 1, queues=queues))
        made.append(process)
    first = made[0]

    def mail():
        found = {load.name: load for load in queue_loads(first.reader, clock.now())}["mail"]
        return found.workers, found.capacity

    first.do(SetQueue("mail"))
    assert mail() == (2, 30)
    first.do(SetQueue("mail", concurrency=25))
    assert mail() == (2, 25)
    first.do(DrainSession(made[1].session))
    assert mail() == (1, 10)


_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a', 'task', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test' from generate_series(1, 20000) as n
"""
_READS = {
    "list_ready_groups": {"probation": 0, "session": None},
    "measure_ready_groups": (0, 1, 1),
    "list_queues": (None,),
    "list_live_sessions": (10,),
}


def test_reads_of_the_load_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over all runs, nor over all sessions."""
    with plans_on_a_file(tmp_path) as plans:
        check_no_walk(plans, _READS, ("runs", "sessions"))


def test_reads_of_the_load_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        check_no_walk(plans, _READS, ("runs",))
