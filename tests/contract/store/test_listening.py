"""Who listens inside hears of an event, and of every kind of end, in the very commit; ends of several runs become one start."""

import pytest

from mainspring.domain.states import DeliveryState, FailureReason, RunState
from mainspring.store.commands.automations import ApplyRetention, SetQueue
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.results import DONE, StartAnswer
from mainspring.store.commands.runs import CancelRun, ClaimRuns, DiscardRun, MarkRunDone, ParentLink, ReopenRun
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read import triggers
from tests.contract.store.deliveries import announced, gathering, listed, on_event, on_run, on_runs, waiting
from tests.contract.store.process import complete, event, fail, finish, halt

_D = DeliveryState
DAY = 86_400_000


@pytest.fixture
def store(store):
    """A worker whose automation b hears of each end of a."""
    store.do(announced(on_run("b", "a", "[]")))
    return store


def captured(store):
    """The runs of whose ends b heard, in their order."""
    return [row[8] for row in store.reader.read("list_received_deliveries", (0, "b/run", 0, 1_000))]


def test_an_event_is_heard_by_whom_it_concerns(store):
    """By its name and the values of its data, once for its id and its key."""
    store.do(announced(on_event("a", "paid", '{"country":"DE"}'), on_event("b", "paid")))
    assert store.twice(event(data=b'{"country": "DE"}', id="e1", key="k")).number == 0
    store.do(event(data=b'{"country": "DE"}', id="e2", key="k"))
    store.do(event(data=b'{"country": "FR"}', id="e3"), event("sent", data=b'{"country": "DE"}', id="e4"))
    assert [row[8] for row in store.reader.read("list_received_deliveries", (0, "a/event", 0, 9))] == ["e1"]
    assert [row[8] for row in store.reader.read("list_received_deliveries", (0, "b/event", 0, 9))] == ["e1", "e3"]


def test_events_of_one_group_are_each_heard(store):
    """Who listens is asked once for them all; one that is announced in between hears of what follows."""
    store.do(event(id="e1"), announced(on_event("b")), event(id="e2"), event(id="e3"), announced(), event(id="e4"))
    store.do(announced(on_event("b")))
    assert [row[8] for row in store.reader.read("list_received_deliveries", (0, "b/event", 0, 9))] == ["e2", "e3"]


def test_an_end_is_heard_in_its_commit(store):
    """However the run ends by its owner; a run that restarts has not ended."""
    done, failed, cancelled, one_step, reopened = (store.begin() for _ in range(5))
    successor = store.starting()
    store.twice(finish(done))
    store.twice(fail(failed))
    store.do(finish(cancelled, RunState.CANCELLED))
    store.twice(complete(one_step))
    store.do(finish(reopened, then=successor, detail=b"{}"))
    assert captured(store) == [done.id, failed.id, cancelled.id, one_step.id]
    store.do(finish(store.claim_one()))
    assert captured(store)[4:] == [successor.id]


def test_ends_of_a_big_group_are_each_heard(store):
    """Those that are written by one statement for all of them too."""
    store.do(*(store.starting() for _ in range(40)))
    runs = store.claim(40).runs
    group = [complete(run) if n % 2 else finish(run) for n, run in enumerate(runs)]
    assert store.do(*group) == [DONE] * 40
    assert sorted(captured(store)) == sorted(run.id for run in runs)


def test_ends_by_a_person_are_heard(store):
    """Cancelled before it began, declared done, abandoned."""
    queued = store.start().run
    store.do(CancelRun(queued, "cmd"))
    for act in (MarkRunDone, DiscardRun):
        run = store.begin()
        store.do(halt(run))
        assert captured(store)[-1:] != [run.id]
        store.do(act(run.id))
        assert captured(store)[-1:] == [run.id]
    assert len(captured(store)) == 3


def test_the_end_of_a_child_is_heard(store):
    """One that is closed with its parent too."""
    parent = store.begin(automation="b")
    child = store.start(parent=ParentLink(parent.id, "c", parent.claim, close_policy="cancel"))
    store.do(finish(parent))
    assert captured(store) == [child.run]


def test_a_run_that_was_continued_ends_once_more(store, clock):
    """Each end is heard of."""
    run = store.begin()
    store.do(fail(run, "s1"))
    clock.forward(1)
    store.do(ReopenRun(run.id))
    store.do(finish(store.claim_one()))
    assert captured(store) == [run.id, run.id]


def test_an_end_on_record_is_heard(store):
    """That of a wrapped command, once, and that of one whose process was lost and who has the last word."""
    record = RecordExecRun(
        id="told", automation="a", kind="task", version=1, title=None, trigger="exec", codec="json", input=b"{}",
        state=RunState.SUCCEEDED, started_at=1, finished_at=2,
    )  # fmt: skip
    assert store.do(record).created
    assert not store.again(record).created
    assert captured(store) == ["told"]


def test_the_end_of_what_was_lost_with_its_process_is_heard(store, new_process):
    """No one continues with a wrapped command; its session's burial is its end."""
    wrapping = new_process().open("exec")
    started = wrapping.start(here=True)
    store.do(DeclareSessionDead(wrapping.session))
    assert store.run(started.run).reason == FailureReason.PROCESS_LOST
    assert captured(store) == [started.run]


def test_a_run_that_is_stopped_has_not_ended(store):
    """Needing attention is no end."""
    store.do(halt(store.begin()))
    assert captured(store) == []


def test_an_end_that_was_before_its_listener_is_not_heard(store):
    """A listener hears of what comes after it was announced."""
    store.do(announced())
    store.do(finish(store.begin()))
    store.do(announced(on_run("b", "a", "[]")))
    assert captured(store) == []


def test_a_filter_is_called_about_an_end(store):
    """What has one waits for a worker."""
    row = on_event("b", filtered=True)
    store.do(announced(row))
    store.do(event(id="e1"))
    assert (waiting(store, "b/event", 1), waiting(store, "b/event", 0)) == (waiting(store, "b/event", 1), [])
    assert len(waiting(store, "b/event", 1)) == 1


# Ends of several runs


@pytest.fixture
def gatherer(store):
    """A worker whose automation c waits for a and b."""
    store.do(announced(on_runs("c", "a", "b"), names=("a", "b", "c")))
    return store


def ended(store, automation, command=finish):
    """A run that ended, and the delivery that tells of it."""
    started = store.start(automation)
    (run,) = [run for run in store.claim().runs if run.id == started.run]
    before = waiting(store, "c/runs")
    store.do(command(run))
    (delivery,) = [delivery for delivery in waiting(store, "c/runs") if delivery not in before]
    return run, delivery


def test_ends_that_are_all_there_start_once(gatherer):
    """With the last of them; each delivery names the run."""
    store = gatherer
    (run_a, first), (run_b, second) = ended(store, "a"), ended(store, "b")
    assert store.twice(gathering(store, first, "a", run=run_a.id)) == DONE
    (view,) = triggers.open_gatherings(store.reader)
    assert (view.trigger, view.per, view.expected, view.here) == ("c/runs", "p", 2, 1)
    start = store.starting("c")
    assert store.twice(gathering(store, second, "b", run=run_b.id, start=start)) == StartAnswer(
        start.id, True, RunState.QUEUED
    )
    assert triggers.open_gatherings(store.reader) == []
    assert triggers.gathering(store.reader, "c/runs", "p")[1] == start.id
    assert [row.id for row in triggers.delivered_for(store.reader, start.id)] == [first, second]
    assert store.ids() == [start.id]


def test_end_after_the_start_changes_nothing(gatherer):
    """The start happens once for its slot or key."""
    store = gatherer
    for automation, start in (("a", None), ("b", store.starting("c"))):
        store.do(gathering(store, ended(store, automation)[1], automation, start=start))
    _, late = ended(store, "a")
    assert store.twice(gathering(store, late, "a", start=store.starting("c"))) == DONE
    assert triggers.delivery(store.reader, late).state is _D.DROPPED
    assert store.ids() == []


def test_two_routers_that_each_saw_one_too_few_leave_it_complete(gatherer):
    """Neither had a start with it; no matter who looks next finds it, and starts it once."""
    store = gatherer
    for automation in "ab":
        store.do(gathering(store, ended(store, automation)[1], automation))
    assert store.reader.read("list_complete_gatherings", (9,)) == [("c/runs", "p")]
    first, second = (gathering(store, None, start=store.starting("c")) for _ in range(2))
    assert store.twice(first).run == first.start.id
    assert store.do(second) == DONE
    assert store.ids() == [first.start.id]
    assert store.reader.read("list_complete_gatherings", (9,)) == []


def test_one_delivery_is_gathered_once(gatherer):
    """A router that is second finds that it was done."""
    store = gatherer
    _, first = ended(store, "a")
    store.do(gathering(store, first, "a"))
    assert store.do(gathering(store, first, "a")).code == "changed"


def test_a_failed_end_holds_up_and_its_retry_releases(gatherer, clock):
    """The failed one says what it holds up; the newer end takes its place, and none of them stays held."""
    store = gatherer
    run, first = ended(store, "a", fail)
    store.do(gathering(store, first, "a", run=run.id, state="failed", counts=False))
    store.do(gathering(store, ended(store, "b")[1], "b"))
    assert triggers.open_gatherings(store.reader)[0].here == 1
    assert [(run.run, run.counts) for run in triggers.joined_runs(store.reader, "c/runs", "p") if not run.counts] == [
        (run.id, False)
    ]
    clock.forward(1)
    store.do(ReopenRun(run.id))
    before = waiting(store, "c/runs")
    store.do(finish(store.claim_one()))
    (second,) = [delivery for delivery in waiting(store, "c/runs") if delivery not in before]
    start = store.starting("c")
    assert store.do(gathering(store, second, "a", run=run.id, start=start)).run == start.id
    assert [state for _, state in listed(store, "c/runs")] == ["dropped", "started", "started"]
    assert all(run.counts for run in triggers.joined_runs(store.reader, "c/runs", "p"))
    assert triggers.open_gatherings(store.reader) == []


def test_an_end_that_counts_is_not_replaced_by_one_that_does_not(gatherer):
    """Two routers may put the ends of one run in the wrong order."""
    store = gatherer
    (_, failed), (_, done) = ended(store, "a", fail), ended(store, "a")
    store.do(gathering(store, done, "a"))
    store.do(gathering(store, failed, "a", state="failed", counts=False))
    assert triggers.open_gatherings(store.reader)[0].here == 1
    assert [state for _, state in listed(store, "c/runs")] == ["dropped", "held"]


def test_a_full_queue_lets_a_complete_one_wait(gatherer):
    """The end is put there, and the start is tried again."""
    store = gatherer
    ends = [ended(store, automation)[1] for automation in "ab"]
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    store.do(gathering(store, ends[0], "a"))
    answer = store.do(gathering(store, ends[1], "b", start=store.starting("c", queue="few")))
    assert (answer.code, answer.retry_after_ms > 0) == ("busy", True)
    assert store.reader.read("list_complete_gatherings", (9,)) == [("c/runs", "p")]
    store.do(ClaimRuns("free", 10))
    start = store.starting("c", queue="few")
    assert store.do(gathering(store, None, start=start)).run == start.id


def test_a_complete_one_of_which_no_run_can_be_made_is_over(gatherer):
    """It fails with its reason and is not looked at for ever."""
    store = gatherer
    for automation in "ab":
        store.do(gathering(store, ended(store, automation)[1], automation))
    assert store.twice(gathering(store, None, note="its template has no value")) == DONE
    assert store.reader.read("list_complete_gatherings", (9,)) == []
    assert [state for _, state in listed(store, "c/runs")] == ["failed", "failed"]
    assert triggers.open_gatherings(store.reader) == []


def test_joined_runs_may_shrink(gatherer):
    """What is there already may then be all that is wanted."""
    store = gatherer
    store.do(announced(on_runs("c", "a", "b", "d"), names=("a", "b", "c", "d")))
    for automation in "ab":
        store.do(gathering(store, ended(store, automation)[1], automation, expected=3))
    assert store.reader.read("list_complete_gatherings", (9,)) == []
    store.do(announced(on_runs("c", "a", "b"), names=("a", "b", "c", "d")))
    assert store.reader.read("list_complete_gatherings", (9,)) == [("c/runs", "p")]
    start = store.starting("c")
    assert store.do(gathering(store, None, start=start)).run == start.id


def test_joined_runs_may_grow(gatherer):
    """Then the start waits for that too."""
    store = gatherer
    store.do(gathering(store, ended(store, "a")[1], "a"))
    store.do(announced(on_runs("c", "a", "b", "d"), names=("a", "b", "c", "d")))
    assert store.do(gathering(store, ended(store, "b")[1], "b", expected=3, start=store.starting("c"))) == DONE
    assert triggers.open_gatherings(store.reader)[0].here == 2


def test_a_gathering_that_never_was_complete_is_abandoned_with_its_retention(gatherer, clock):
    """What it held is dropped and says why; nothing is held for ever."""
    store = gatherer
    store.do(gathering(store, ended(store, "a")[1], "a"))
    clock.forward(7 * DAY)
    store.do(ApplyRetention(None, None, None, clock.now(), None))
    assert len(triggers.open_gatherings(store.reader)) == 1
    clock.forward(DAY)
    store.do(ApplyRetention(None, None, None, clock.now(), None))
    assert triggers.open_gatherings(store.reader) == []
    (row,) = triggers.deliveries(store.reader, trigger="c/runs").deliveries
    assert (row.state, row.note) == (_D.DROPPED, "the other runs did not end in time")
