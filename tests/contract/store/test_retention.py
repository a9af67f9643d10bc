"""Retention: old things go, a piece at a time; whatever someone can still ask for stays."""

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.runs import ParentLink, RunKey
from tests.contract.store.process import audited, event, fail, finish, halt, outcome, signal, suspend, wait_for


def prune(before, **options):
    return ApplyRetention(
        *(options.pop(name, before) for name in ("succeeded", "failed", "cancelled", "events", "rollups")), **options
    )


def test_old_runs_go_with_all_they_had(store, clock):
    """A finished run older than its limit goes; journal, inbox and waits with it."""
    run = store.begin()
    store.do(outcome(run, 1), signal(run.id), wait_for(run), finish(run))
    clock.forward(10)
    assert store.do(prune(clock.now() - 10)) == NumberAnswer(0)
    assert store.do(prune(clock.now())) == NumberAnswer(1)
    history = store.history(run.id)
    assert (history.outcomes, history.facts) == ([], [])
    assert store.list_runs().runs == []


def test_each_end_has_its_limit(store, clock):
    """Failed runs may be kept longer than succeeded ones; None keeps all."""
    good, bad = store.begin(), store.begin()
    store.do(finish(good), fail(bad))
    clock.forward(10)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert [row.id for row in store.list_runs().runs] == [bad.id]


def test_unfinished_runs_keep_what_they_can_ask_for(store, clock):
    """Unfinished runs stay, and so do the ended children they may ask for again, their facts and the events meant for them."""
    parent = store.begin()
    child = store.begin(parent=ParentLink(parent.id, "c", parent.claim), input=b"{}")
    store.do(finish(child, result=b"1"), event(keep_until=clock.now() + 1_000), signal(parent.id), outcome(parent, 1))
    halted = store.begin()
    store.do(halt(halted))
    clock.forward(500)
    assert store.do(prune(clock.now())) == NumberAnswer(0)
    assert store.state(child.id) == RunState.SUCCEEDED
    history = store.history(parent.id)
    assert (len(history.outcomes), len(history.facts)) == (1, 2)
    store.do(wait_for(parent))
    assert len(store.history(parent.id).facts) == 3
    store.do(finish(parent))
    clock.forward(500)
    assert store.do(prune(clock.now())) == NumberAnswer(2)
    assert store.read("events") == []


def test_key_outlives_its_run(store, clock):
    """A key answers with its run after that was pruned, until it expires; a key of an unfinished run does not go at all."""
    key = RunKey("k", "h", expires_at=clock.now() + 1_000)
    run = store.begin(run_key=key)
    store.do(finish(run))
    store.start(run_key=RunKey("live", "h", expires_at=clock.now() + 1))
    clock.forward(10)
    store.do(prune(clock.now()))
    answer = store.start(run_key=key)
    assert (answer.run, answer.created, answer.state) == (run.id, False, "succeeded")
    clock.forward(1_000)
    store.do(prune(clock.now()))
    assert store.start(run_key=RunKey("k", "other")).created


def test_prune_is_bounded(store, clock):
    """One pruning takes no more than its limit, oldest first."""
    runs = []
    for _ in range(5):
        clock.forward(1)
        runs.append(store.begin())
        store.do(finish(runs[-1]))
    clock.forward(1)
    assert store.do(prune(clock.now(), limit=3)) == NumberAnswer(3)
    assert [row.id for row in store.list_runs().runs] == [runs[4].id, runs[3].id]


def test_stats_survive_rollup(store, second, clock):
    """Folding minutes into hours changes no sum, and forgets sessions that are long gone."""
    for process in (store, second):
        for _ in range(3):
            clock.forward(61_000)
            run = process.begin()
            clock.forward(5)
            process.do(outcome(run, 1), finish(run))
    before = store.read("sums_since", 0)
    clock.forward(72 * 3_600_000)
    store.do(ApplyRetention(None, None, None, None, None))
    assert store.read("sums_since", 0) == before
    (sums,) = before
    assert (sums.started, sums.succeeded, sums.steps, sums.max_duration_ms) == (6, 6, 6, 5)
    store.do(ApplyRetention(None, None, None, None, clock.now()))
    assert store.read("sums_since", 60_000) == []


def test_stats_that_are_pruned_stay_in_the_sum_of_all(store, clock):
    """Each piece that goes is added to one row at the beginning of time: nothing that was ever counted is lost."""
    for _ in range(3):
        run = store.begin()
        clock.forward(5)
        store.do(outcome(run, 1), fail(run))
        clock.forward(72 * 3_600_000)
        before = store.read("sums_since", 0)
        for _ in range(2):
            store.do(ApplyRetention(None, None, None, None, clock.now()))
        assert store.read("sums_since", 0) == before
        assert store.read("sums_since", 60_000) == []
    (sums,) = store.read("sums_since", 0)
    assert (sums.started, sums.failed, sums.steps, sums.duration_ms, sums.max_duration_ms) == (3, 3, 3, 15, 5)
    assert sums.details["reason:permanent_error"] == 3


def test_audit_is_never_pruned(store, clock):
    """The audit log outlives everything."""
    store.do(audited(PublishEvent("e", "n", b"1", clock.now())))
    clock.forward(10**11)
    store.do(prune(clock.now()))
    assert store.read("verify_audit").rows == 1


def test_waiting_run_is_never_pruned(store, clock):
    """A run that waits for years is still there."""
    run = store.begin()
    store.do(suspend(run))
    clock.forward(10**11)
    assert store.do(prune(clock.now())) == NumberAnswer(0)
    store.do(signal(run.id))
    assert store.ids() == [run.id]
