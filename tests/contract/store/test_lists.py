"""Reads for people: ids from what they type, pages that do not move, the exact blocker."""

import pytest

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import PauseAutomation, SetMeta, SetQueue
from tests.contract.store.process import ask, fail, finish, halt, suspend


def test_pages_do_not_move_under_inserts(store):
    """A list read page by page shows each run once, newest first, whatever starts in between."""
    ids = [store.start().run for _ in range(7)]
    page = store.list_runs(limit=3)
    seen = [row.id for row in page.runs]
    store.start()
    while page.cursor is not None:
        page = store.list_runs(limit=3, cursor=page.cursor)
        seen += [row.id for row in page.runs]
        store.start()
    assert seen == ids[::-1]


def test_lists_filter(store, clock):
    """States, name and age choose what is listed; several states are one list in order."""
    done = store.begin()
    store.do(finish(done))
    bad = store.begin(automation="b")
    store.do(fail(bad))
    clock.forward(10)
    queued, running = store.start().run, store.start(here=True).run
    listed = {
        "failed": store.list_runs(states=(RunState.FAILED,)),
        "two": store.list_runs(states=(RunState.QUEUED, RunState.SUCCEEDED)),
        "running": store.list_runs(states=(RunState.RUNNING,)),
        "name": store.list_runs(name="b"),
        "since": store.list_runs(since_at=clock.now()),
    }
    assert {name: [row.id for row in page.runs] for name, page in listed.items()} == {
        "failed": [bad.id], "two": [queued, done.id], "running": [running], "name": [bad.id], "since": [running, queued],
    }  # fmt: skip


def test_ids_from_what_people_type(store):
    """Whole ids, unique prefixes with or without r_, @last and @failed; what is not unique is listed."""
    store.do(*[store.starting(id=name) for name in ("r_abc1", "r_abc2", "r_xyz")])
    resolve = lambda text: store.read("resolve_id", text)  # noqa: E731
    assert [resolve(text) for text in ("r_abc1", "abc2", "r_x", "@last")] == ["r_abc1", "r_abc2", "r_xyz", "r_xyz"]
    with pytest.raises(ConflictError, match="more than one") as caught:
        resolve("r_abc")
    assert "r_abc1, r_abc2" in str(caught.value)
    for text in ("r_zz", "@failed"):
        with pytest.raises(NotFoundError):
            resolve(text)
    runs = store.claim().runs
    store.do(fail(runs[0]), halt(runs[1]))
    assert resolve("@failed") == "r_abc2"


def test_history_of_an_unknown_run(store):
    """Asking for a run that is not there is reported as such."""
    for name in ("run_history", "run_view"):
        with pytest.raises(NotFoundError):
            store.read(name, "r_none")
    assert store.read("blocker", "r_none") is None


def test_counts_are_capped(store):
    """Counting stops at the cap and says so."""
    store.do(*[store.starting() for _ in range(4)])
    assert str(store.read("count_in", RunState.QUEUED, 3)) == "3+"
    assert str(store.read("count_in", RunState.QUEUED)) == "4"


def test_blocker_names_place_and_workers(store, second):
    """A ready run's place in its queue, and the live workers that could take it."""
    store.start()
    run = store.start().run
    found = store.read("blocker", run)
    assert (str(found.place), [worker.session for worker in found.workers]) == ("2", [store.session, second.session])
    assert store.read("blocker", store.start("unknown").run).workers == []


def test_blocker_names_holder_limit_pause_and_hold(store, clock):
    """Partition holder, running runs of a full queue, who paused and a held store are all told."""
    store.do(SetQueue("q", concurrency=1))
    holder = store.begin(queue="q", partition="p")
    blocked = store.start(queue="q", partition="p").run
    store.do(PauseAutomation("a", None, "ann", "noisy"), SetMeta("held", "1"))
    found = store.read("blocker", blocked)
    assert (found.holder, found.run.blocked, found.place, found.held) == (holder.id, "partition", None, True)
    assert (found.queue.concurrency, found.queue.running, [row.id for row in found.slot_holders]) == (1, 1, [holder.id])
    assert (found.automation.paused_by, found.automation.pause_reason) == ("ann", "noisy")


def test_runs_past_their_deadline_in_a_pause_are_counted(store, clock):
    """Ready or due, of a paused automation or in a paused queue, by both; not those that wait for a later time, run or have no deadline."""
    early, late = clock.now() + 1_000, clock.now() + 60_000
    store.begin(deadline_at=early)
    asleep = store.begin(deadline_at=early)
    store.do(suspend(asleep, due_at=early))
    first = store.start(deadline_at=early).run
    mail = store.start(queue="mail", automation="b", deadline_at=early).run
    store.start(deadline_at=early, due_at=late)
    store.start(deadline_at=late)
    store.start()
    clock.forward(2_000)

    def overdue(automations, queues):
        found = store.read("overdue_runs", clock.now(), automations, queues)
        return [(runs.automation, runs.queue, runs.number.number, runs.first) for runs in found]

    expected = ("a", "default", 2, min(asleep.id, first))
    assert overdue([], []) == overdue(["c"], ["other"]) == []
    assert overdue(["a"], []) == overdue([], ["default"]) == overdue(["a"], ["default"]) == [expected]
    assert overdue(["a"], ["mail"]) == [expected, ("b", "mail", 1, mail)]


def test_runs_that_have_not_ended_are_counted_of_each_automation(store):
    """Idle ones, whatever they wait for; those that a process has, and that need a person, only where all that have not ended count."""
    store.begin()
    store.do(halt(store.begin()))
    store.do(finish(store.begin()))
    waiting = store.begin()
    store.do(suspend(waiting))
    store.start(due_at=store.clock.now() + 60_000)
    assert {name: number.number for name, number in store.read("count_idle_runs", ["a", "b"]).items()} == {"a": 2}
    assert store.read("count_idle_runs", []) == {}
    assert [store.read("count_unfinished_runs", name).number for name in ("a", "b")] == [4, 0]


def test_blocker_displays_what_a_run_waits_for(store):
    """A waiting run's questions are part of the answer."""
    run = store.begin()
    store.do(ask(run), suspend(run))
    assert [wait.name for wait in store.read("blocker", run.id).waits] == ["Go?"]


def test_sessions_are_listed(store, second):
    """Live sessions with what they carry and own; ended ones on request."""
    from mainspring.store.commands.sessions import DeclareSessionDead

    store.start(tag="gpu")
    store.claim(tags=("gpu",))
    second.do(DeclareSessionDead(store.session))
    assert [session.id for session in store.read("sessions")] == [second.session]
    dead = store.read("sessions", live=False)[-1]
    assert (dead.id, dead.state, dead.tags, dead.running) == (store.session, "dead", ["gpu"], 0)


def test_groups_of_ready_runs_are_counted_with_the_time_of_the_first(store, clock):
    """By queue, automation, version and tag; what is claimed, or not due, is in none."""
    store.begin()
    first_at = clock.now()
    store.start(automation="b", version=2, tag="gpu")
    clock.forward(10)
    store.start(automation="b", version=2, tag="gpu")
    store.start(due_at=clock.now() + 60_000)
    store.start(queue="mail")
    groups = store.read("ready_groups", clock.now())
    assert [(g.queue, g.automation, g.version, g.tag, g.number.number, g.since_at) for g in groups] == [
        ("default", "b", 2, "gpu", 2, first_at),
        ("mail", "a", 1, "", 1, first_at + 10),
    ]
