"""Claiming: order, limits, who may take what."""

import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import PauseAutomation, PauseQueue, ResumeAutomation, SetMeta, SetQueue
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.results import CommandDone
from mainspring.store.commands.runs import ClaimRuns, ParentLink, ReleaseRun, RunKey
from mainspring.store.commands.sessions import ClearProbation, DeclareSessionDead, DrainSession
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.sqlite.transaction import SqliteTransaction
from tests.contract.store.process import finish, outcome, signal, suspend


def test_claim_takes_runs_in_commit_order(store):
    """Starts are claimed in the order in which they were committed."""
    started = [store.start().run for _ in range(7)]
    assert store.ids(3) + store.ids(10) == started
    assert store.ids() == []


def test_claim_gives_what_a_worker_needs(store, clock):
    """A claimed run carries its input, claim number and times, and belongs to the session."""
    run = store.begin(input=b'{"x":1}', deadline_after_ms=5_000, title="t")
    assert (run.input, run.claim, run.fresh, run.rank, run.title) == (b'{"x":1}', 1, True, 0, "t")
    assert (run.created_at, run.started_at, run.deadline_at) == (clock.now(), clock.now(), clock.now() + 5_000)
    view = store.run(run.id)
    assert (view.state, view.session, view.ready) == (RunState.RUNNING, store.session, False)


def test_priority_goes_first_but_ages(store, clock):
    """One step of priority is worth a minute of waiting, so that low priority is not starved."""
    low = store.start().run
    clock.forward(59_000)
    high = store.start(priority=1).run
    assert store.ids(1) == [high]
    store.claim()
    old = store.start().run
    clock.forward(61_000)
    store.start(priority=1)
    assert store.ids(1) == [old]
    assert low != old


def test_resumes_go_before_starts(store):
    """A run that was begun is continued before any new one, whatever its place."""
    started = store.begin()
    waiting = store.start(priority=9).run
    store.do(suspend(started))
    store.do(signal(started.id))
    assert store.ids() == [started.id, waiting]


def test_due_time_makes_ready(store, clock):
    """A run with a due time is claimed from that instant on, and the claim tells when to come back."""
    run = store.start(due_at=clock.now() + 1_000).run
    claimed = store.claim()
    assert (claimed.runs, claimed.next_due_at) == ((), clock.now() + 1_000)
    clock.forward(999)
    assert store.ids() == []
    clock.forward(1)
    assert store.ids() == [run]


def test_concurrency_counts_running_only(store):
    """A queue gives no more runs than its concurrency; a suspended one frees its slot."""
    store.do(SetQueue("default", concurrency=2))
    for _ in range(3):
        store.start()
    first, _ = store.claim().runs
    assert store.ids() == []
    store.do(suspend(first))
    assert len(store.ids()) == 1
    assert store.ids() == []


def test_rate_limits_starts(store, clock):
    """A rate gives so many starts in any span, and says when the next one is allowed."""
    store.do(SetQueue("default", rate_count=2, rate_per_ms=1_000))
    for _ in range(6):
        store.start()
    assert len(store.ids(1)) == 1
    clock.forward(600)
    started_at = clock.now() - 600
    assert len(store.ids()) == 1
    claimed = store.claim()
    assert claimed.runs == ()
    assert claimed.next_due_at == started_at + 1_000
    clock.forward(399)
    assert store.ids() == []
    clock.forward(1)
    assert len(store.ids()) == 1, "the second of the last span still counts"
    clock.forward(10_000)
    assert len(store.ids()) == 2


def test_rate_does_not_hold_resumes(store):
    """A run that was begun is not counted again when it continues."""
    store.do(SetQueue("default", rate_count=1, rate_per_ms=3_600_000))
    run = store.begin()
    store.do(suspend(run))
    store.do(signal(run.id))
    assert store.ids() == [run.id]


def test_claim_is_fair_between_queues(store):
    """A long queue does not keep a short one waiting: each gives in turn."""
    for _ in range(20):
        store.start(queue="long")
    short = store.start(queue="short").run
    assert short in store.ids(2)


def test_small_claims_are_fair_too(store):
    """Even claims of one run reach every queue soon."""
    for _ in range(60):
        store.start(queue="long")
    short = store.start(queue="short").run
    claimed = [store.ids(1)[0] for _ in range(40)]
    assert short in claimed


def test_claim_limits_to_queues(store):
    """A worker that serves named queues takes nothing else."""
    store.start(queue="one")
    other = store.start(queue="two").run
    assert store.ids(queues=("two",)) == [other]
    assert store.ids(queues=("three",)) == []


def test_tags_choose_the_worker(store):
    """A tagged run goes only to a worker with that tag, an untagged one to any."""
    tagged, plain = store.start(tag="gpu").run, store.start().run
    assert store.ids() == [plain]
    run = store.claim_one(tags=("gpu", "big"))
    assert (run.id, run.tag) == (tagged, "gpu")


def test_version_and_name_choose_the_worker(store):
    """A worker takes only what it announced: name and version."""
    store.start("unknown")
    store.start("a", version=2)
    own = store.start("a").run
    assert store.ids() == [own]


def test_paused_automation_is_passed_over(store, clock):
    """Nothing of a paused automation is claimed, even when it was ready, until it is resumed or its pause ends."""
    run, other = store.start("a").run, store.start("b").run
    store.do(PauseAutomation("a", clock.now() + 5_000, "ann", "why"))
    claimed = store.claim()
    assert [r.id for r in claimed.runs] == [other]
    assert claimed.next_due_at == clock.now() + 5_000
    clock.forward(5_000)
    assert store.ids() == [run]
    again = store.start("a").run
    store.do(PauseAutomation("a", None, "ann", None))
    assert store.ids() == []
    store.do(ResumeAutomation("a"))
    assert store.ids() == [again]


def test_a_long_blocked_backlog_costs_nothing(store):
    """Rows that cannot be taken do not hide the ones behind them."""
    store.do(*[store.starting("unknown", id=f"u{i}") for i in range(800)])
    store.do(PauseAutomation("b", None, "ann", None), *[store.starting("b", id=f"p{i}") for i in range(800)])
    own = store.start("a").run
    assert store.ids(1) == [own]


@pytest.mark.parametrize("found", [0, 1])
def test_claim_reads_no_more_where_there_are_many_automations(store, monkeypatch, found):
    """It asks about those that have ready runs, not about all that its session could work on."""
    store.announce(*(f"many{i:03}" for i in range(300)))
    for _ in range(found):
        store.start("many007")
    read = []
    for kind in (SqliteTransaction, PostgresTransaction):

        def counted(tx, *args, original=kind.all, **options):
            rows = original(tx, *args, **options)
            read.append(len(rows))
            return rows

        monkeypatch.setattr(kind, "all", counted)
    assert len(store.claim().runs) == found
    assert read
    assert max(read) <= 2


def test_paused_queue_gives_nothing(store):
    """A paused queue is passed over until it continues."""
    run = store.start(queue="q").run
    store.do(PauseQueue("q", True, "ann"))
    assert store.ids() == []
    store.do(PauseQueue("q", False, "ann"))
    assert store.ids() == [run]


def test_runs_on_probation_are_claimed_on_request_only(store, second, new_process):
    """Runs that shared a crash go to a probation claim alone, and ordinary runs never do."""
    victim = store.begin()
    ordinary = second.start().run
    second.do(DeclareSessionDead(store.session, crashed=True))
    assert second.ids() == [ordinary]
    second.start()
    (on_probation,) = second.claim(probation=True).runs
    assert (on_probation.id, on_probation.claim, on_probation.fresh) == (victim.id, 2, False)
    second.do(ClearProbation(on_probation.id, on_probation.claim), suspend(on_probation), signal(on_probation.id))
    assert on_probation.id in second.ids()


def test_newer_deployment_keeps_its_runs(store, second):
    """A run touched by newer code is not continued by older code while the newer lives."""
    run = store.begin()
    second.announce("a", "b", fingerprint="code-2")
    store.do(suspend(run), signal(run.id))
    newer = second.claim_one()
    second.do(suspend(newer), signal(newer.id, "again"))
    assert store.ids() == []
    second.do(DrainSession(second.session))
    assert store.ids() == [run.id]


def test_draining_session_claims_nothing(store):
    """A session that drains writes, but takes nothing new."""
    run = store.begin()
    store.start()
    store.do(DrainSession(store.session))
    assert store.ids() == []
    assert store.do(outcome(run, 1), finish(run))[1].__class__ is CommandDone


def test_held_store_starts_but_claims_nothing(store):
    """A restored store takes runs in, and gives none out before it is released."""
    store.do(SetMeta("held", "restored"))
    run = store.start()
    assert run.created
    assert store.ids() == []
    assert store.do(store.starting(here=True)).code == "held"
    store.do(SetMeta("held", None))
    assert store.ids() == [run.run]


def test_resent_claim_answers_the_same(store):
    """A claim whose answer was lost gives the same runs, not more."""
    for _ in range(5):
        store.start()
    command = ClaimRuns("once", 2)
    first, second = store.do(command), store.again(command)
    assert first.runs == second.runs
    assert len(first.runs) == 2
    assert len(store.ids()) == 3


def test_release_gives_a_run_back(store, second):
    """A released run is ready at once for any worker, with the next claim number."""
    run = store.begin()
    store.twice(outcome(run, 1), ReleaseRun(run.id, run.claim, 1))
    claimed = second.claim_one()
    assert (claimed.id, claimed.claim, claimed.rank, claimed.fresh) == (run.id, 2, 1, False)


@pytest.mark.parametrize("limit", [1, 3])
def test_claim_reports_further_runs(store, limit):
    """A full claim says that there may be more."""
    for _ in range(limit):
        store.start()
    assert store.claim(limit).more
    assert not store.claim(limit).more


def test_claim_under_one_run_accepts_only_it_and_its_children(store):
    """Children of children too, and a run that was found by its key."""
    other, root = store.start().run, store.start(input=b"[1]").run
    found = store.start(run_key=RunKey("k", "h"), input=b"[2]").run
    (run,) = store.claim(under=root).runs
    child = store.start(parent=ParentLink(root, "c#1", run.claim), input=b"[3]").run
    store.do(OpenWait(root, run.claim, "c#2", "run", found))
    claimed = {run.id: run for run in store.claim(under=root).runs}
    assert (run.id, set(claimed)) == (root, {child, found})
    grandchild = store.start(parent=ParentLink(child, "c#1", claimed[child].claim), input=b"[4]").run
    assert store.ids(under=root) == [grandchild]
    assert store.ids(under="r_none") == []
    assert store.ids() == [other]


def test_claim_under_a_restarted_run_accepts_its_successor(store):
    """The process that works on one run stays until the last of its line ended."""
    store.start(input=b"[9]")
    root = store.start(input=b"[1]").run
    (run,) = store.claim(under=root).runs
    successor = store.starting(input=b"[2]")
    store.do(finish(run, then=successor, detail=b'{"restarted_as":"%s"}' % successor.id.encode()))
    assert store.ids(under=root) == [successor.id]


def test_run_with_an_expression_of_tags_is_claimed_by_a_worker_that_fits(store):
    """All tags of one part of the expression, and none of those that it excludes."""
    both, either, without = (store.start(tag=tag).run for tag in ("gpu & eu", "tpu | gpu", "eu & !spot"))
    assert store.ids() == []
    assert store.ids(tags=("spot", "eu")) == []
    assert store.ids(tags=("gpu", "spot")) == [either]
    assert set(store.ids(tags=("gpu", "eu"))) == {both, without}
