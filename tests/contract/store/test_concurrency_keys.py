"""Concurrency keys: of the runs of one automation and key, at most so many are ready or run; the others wait in line."""

import json

import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.run_control import PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CancelRun, ReleaseRun
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.status.status import blocker
from tests.contract.store.process import fail, finish, halt, signal, suspend


@pytest.fixture
def store(store):
    limit(store, 2)
    return store


def limit(store, concurrency):
    """Announce automation "a" with this limit."""
    definition = json.dumps({"options": {"concurrency": concurrency}}).encode()
    store.announce("a", definition=definition, fingerprint=f"code-{concurrency}")


def start(store, key="acme", number=1, **options):
    return [store.start(concurrency_key=key, **options).run for _ in range(number)]


def read_line(store, key="acme"):
    """Return the runs with a slot, and those in line."""
    rows = store.reader.read_text(
        "select id, has_slot, blocked, ready, state from runs where concurrency_key = ? and finished_at is null order by seq",
        (key,),
    )
    for _, has_slot, blocked, ready, state in rows:
        if has_slot:
            assert blocked is None
            assert ready or state == "running"
        else:
            assert not ready
    return [row[0] for row in rows if row[1]], [row[0] for row in rows if row[2] == "concurrency"]


def test_only_as_many_runs_of_a_key_as_its_limit_are_ready(store):
    """The others are not in the index of ready runs; another key has slots of its own."""
    first, second, third, fourth = start(store, number=4)
    other = start(store, key="globex")
    assert read_line(store) == ([first, second], [third, fourth])
    assert set(store.ids()) == {first, second, *other}
    assert store.ids() == []


@pytest.mark.parametrize("end", [finish, fail, halt, suspend], ids=lambda end: end.__name__)
@pytest.mark.parametrize("together", [False, True])
def test_slot_goes_to_the_next_in_line_when_a_run_stops_to_run(store, end, together):
    """In the commit of the end, failure, halt or suspend, alone or with others."""
    runs = start(store, number=5)
    claimed = list(store.claim().runs)
    assert [run.id for run in claimed] == runs[:2]
    store.twice(*[end(run) for run in (claimed if together else claimed[:1])])
    freed = 2 if together else 1
    slots, line = read_line(store)
    assert slots == runs[freed : 2 + freed]
    assert line == runs[2 + freed :]
    assert store.ids() == runs[2 : 2 + freed]


def test_wake_waits_at_the_head_of_the_line(store):
    """A run that continues comes before those that have not started, and takes no slot beyond the limit."""
    runs = start(store, number=4)
    first, second = store.claim().runs
    store.do(suspend(first))
    third = store.claim_one()
    store.do(signal(first.id))
    assert read_line(store) == ([second.id, third.id], [first.id, runs[3]])
    store.do(signal(first.id, source="again"))
    assert store.ids() == []
    store.do(finish(second))
    assert store.ids() == [first.id]


def test_run_with_a_fact_that_its_owner_has_not_seen_keeps_its_slot(store):
    """It is ready at once."""
    runs = start(store, number=3)
    first, _ = store.claim().runs
    store.do(signal(first.id), suspend(first))
    assert read_line(store) == (runs[:2], runs[2:])
    assert store.ids() == [first.id]


def test_priority_decides_inside_a_key(store):
    """Among runs with one priority their order of commit does."""
    start(store, number=2)
    low, high = start(store)[0], start(store, priority=5)[0]
    first, _ = store.claim().runs
    store.do(finish(first))
    assert read_line(store)[1] == [low]
    assert store.ids() == [high]


def test_key_that_was_served_longest_ago_comes_first(store, clock):
    """A key with a long line does not keep others waiting: its next run is ordered by the instant at which it got its slot."""
    runs = start(store, number=6)
    claimed = store.claim().runs
    clock.forward(1_000)
    later_keys = [start(store, key=f"k{n}")[0] for n in range(3)]
    clock.forward(1_000)
    store.do(*map(finish, claimed))
    assert store.ids(limit=4) == [*later_keys, runs[2]]


def test_paused_and_cancelled_runs_give_their_slots_back(store):
    """Ready ones too; a resumed run joins the line again."""
    first, second, third, fourth = start(store, number=4)
    store.do(PauseRun(first, "p1", RunPauseRequest("ann", None)))
    assert read_line(store) == ([second, third], [fourth])
    store.do(CancelRun(third, "c1"))
    assert read_line(store) == ([second, fourth], [])
    store.do(ResumeRun(first, "r1"))
    assert read_line(store) == ([second, fourth], [first])
    store.do(CancelRun(first, "c2"))
    assert store.state(first) is RunState.CANCELLED
    assert read_line(store) == ([second, fourth], [])


def test_lost_or_released_run_keeps_its_slot(store, second):
    """It is ready again at once."""
    runs = start(store, number=3)
    first, other = store.claim().runs
    store.do(ReleaseRun(first.id, first.claim, 0))
    assert read_line(store) == (runs[:2], runs[2:])
    second.announce("a")
    second.do(DeclareSessionDead(store.session))
    assert read_line(second) == (runs[:2], runs[2:])
    assert set(second.ids()) == {first.id, other.id}


def test_later_run_joins_the_line_when_it_is_due(store, clock):
    """Before that it has no slot and is in no line."""
    start(store, number=2)
    later = start(store, due_at=clock.now() + 1_000)[0]
    assert later not in read_line(store)[0] + read_line(store)[1]
    clock.forward(1_000)
    assert later not in store.ids()
    assert read_line(store)[1] == [later]


def test_deadline_ends_the_wait_in_line(store, clock):
    """The run is claimed although no slot is free, so that a worker ends it."""
    start(store, number=2)
    store.claim()
    late = start(store, deadline_after_ms=1_000)[0]
    assert store.ids() == []
    clock.forward(1_000)
    assert store.ids() == [late]


def test_changed_limit_counts_from_the_next_change_of_the_key(store):
    """A lower one waits until enough runs have ended."""
    runs = start(store, number=5)
    first, other = store.claim().runs
    limit(store, 1)
    store.do(finish(first))
    assert read_line(store) == ([other.id], runs[2:])
    limit(store, 3)
    store.do(finish(other))
    assert read_line(store)[0] == runs[2:5]


def test_raised_limit_counts_after_the_next_upkeep(store):
    """Although no run of the keys changes: the first runs of each line get the new slots."""
    runs = start(store, number=4)
    other = start(store, key="globex", number=4)
    limit(store, 3)
    store.do(ApplyRetention(None, None, None, None, None))
    assert read_line(store) == (runs[:3], runs[3:])
    assert read_line(store, "globex") == (other[:3], other[3:])


def test_automation_without_a_key_has_one_line(store):
    """Its limit counts for all of its runs."""
    runs = start(store, key="", number=3)
    assert read_line(store, "") == (runs[:2], runs[2:])


def test_partition_comes_before_the_line(store):
    """A run that waits for its partition is in no line; then it joins it."""
    start(store, number=2)
    holder = store.start(partition="p").run
    waiting = start(store, partition="p")[0]
    assert read_line(store)[1] == []
    claimed = {run.id: run for run in store.claim().runs}
    store.do(finish(claimed[holder]))
    assert read_line(store)[1] == [waiting]


def test_starts_of_one_commit_share_the_slots(store):
    """In bulk as one by one."""
    commands = [store.starting(concurrency_key="acme") for _ in range(5)]
    store.do(*commands, store.starting(concurrency_key="globex"), store.starting())
    ids = [command.id for command in commands]
    assert read_line(store) == (ids[:2], ids[2:])
    assert len(store.ids()) == 4


def test_runs_of_two_processes_share_the_slots(store, second):
    """The commits of both count."""
    second.announce("a")
    runs = [*start(store, number=2), *start(second, number=2)]
    (first, _), rest = store.claim().runs, second.claim().runs
    assert rest == ()
    store.do(finish(first))
    assert second.ids() == [runs[2]]


def test_place_in_line_counts_the_runs_ahead(store):
    """By order of the line; it reads no more than the first thousand."""
    start(store, number=2)
    runs = [*start(store, number=2), *start(store, priority=5)]
    places = [blocker(store.reader, run).place for run in runs]
    assert [(place.number, place.more) for place in places] == [(2, False), (3, False), (1, False)]
    assert {row.id for row in blocker(store.reader, runs[0]).slot_holders} == set(read_line(store)[0])


def test_limit_counts_for_runs_that_were_started_before_it_was_announced(store):
    """A program may start runs before any worker exists. One of a key is ready until the announcement, then as many as its limit."""
    runs = [store.start("fresh", concurrency_key="acme").run for _ in range(4)]
    assert read_line(store) == (runs[:1], runs[1:])
    definition = json.dumps({"options": {"concurrency": 2}}).encode()
    store.announce("a", "b", "fresh", definition=definition, fingerprint="code-fresh")
    assert read_line(store) == (runs[:2], runs[2:])


def test_limit_that_was_raised_counts_from_its_announcement(store):
    """No run has to change for it."""
    runs = start(store, number=5)
    assert read_line(store) == (runs[:2], runs[2:])
    limit(store, 4)
    assert read_line(store) == (runs[:4], runs[4:])
