"""What users of peers lost or got twice where work begins by something that arrives: each by the name under which they told it."""

import pytest

from mainspring.domain.states import DeliveryState, RunState
from mainspring.store.commands.automations import (
    PauseAutomation,
    ResumeAutomation,
    RetireAutomation,
)
from mainspring.store.commands.results import DeliveryStored, Refused, StartAnswer
from mainspring.store.commands.runs import ReopenRun, RunKey
from mainspring.store.commands.triggers import ReplayDelivery, ReportConsumer
from mainspring.store.read import triggers
from tests.contract.store.deliveries import (
    accepting,
    announced,
    deciding,
    gathering,
    hook,
    listed,
    on_event,
    on_run,
    on_runs,
    waiting,
)
from tests.contract.store.process import event, fail, finish

_D = DeliveryState


@pytest.fixture
def store(store):
    """A worker whose automation a has a webhook."""
    store.do(announced(hook()))
    return store


@pytest.fixture
def second(second):
    """Another one with the same code."""
    second.do(announced(hook()))
    return second


# -- doubled at intake -----------------------------------------------------------------------------------------------------


def test_peer_hatchet_666_delivery_that_comes_three_times_is_one_run(store, second):
    """By any process, in one group or in several: the sender gets the first answer each time."""
    first, again, later = accepting(store, "k"), accepting(store, "k"), accepting(second, "k")
    answers = [*store.do(first, again), second.do(later)]
    assert [(answer.delivery, answer.first) for answer in answers] == [
        (first.id, True),
        (first.id, False),
        (first.id, False),
    ]
    assert store.ids() == [first.start.id]


def test_peer_hatchet_907_event_that_is_published_again_starts_nothing_more(store):
    """An event counts by name and key, for what listens as for what waits."""
    store.do(announced(on_event("b")))
    store.do(event(key="payment-7"))
    store.do(event(key="payment-7"))
    assert len(waiting(store, "b/event")) == 1


def test_peer_prefect_18523_two_who_decide_at_once_start_one_run(store, second):
    """A decision is guarded by the state it found: who is second finds what became of it."""
    accepted = store.do(accepting(store, "k", filtered=True, start=None))
    earlier, later = deciding(store, accepted.delivery), deciding(second, accepted.delivery)
    first, other = store.do(earlier), second.do(later)
    assert (first.run, first.first) == (earlier.start.id, True)
    assert (other.run, other.first) == (earlier.start.id, False)
    assert store.ids() == [earlier.start.id]


def test_peer_prefect_12509_two_who_see_the_last_upstream_start_one_run(store, second):
    """A gathering starts once, no matter who completes it."""
    store.do(announced(on_runs("c", "a", "b"), names=("a", "b", "c")))
    for name in ("a", "b"):
        store.start(name)
        (run,) = store.claim(1).runs
        store.do(finish(run))
    own, other_end = waiting(store, "c/runs")
    store.do(gathering(store, own, "a"))
    started = store.do(gathering(store, other_end, "b", start=store.starting("c")))
    late = second.do(gathering(second, other_end, "b", start=second.starting("c")))
    assert isinstance(started, StartAnswer)
    assert not isinstance(late, StartAnswer)
    assert len(store.ids()) == 1


# -- the key of a dead run ------------------------------------------------------------------------------------------------------


def test_peer_triggerdev_4819_delivery_whose_run_failed_can_be_let_in_once_more(store):
    """Its key gives the first answer, dead run or not; a replay is a new delivery with a run of its own."""
    first = accepting(store, "k")
    store.do(first)
    store.do(fail(store.claim_one()))
    assert store.do(accepting(store, "k")).run == first.start.id
    replayed = store.do(ReplayDelivery("d_again", first.id))
    assert isinstance(replayed, DeliveryStored)
    store.do(deciding(store, "d_again"))
    assert listed(store) == [("k", "started"), ("k#d_again", "started")]
    assert len(store.ids()) == 1


@pytest.mark.parametrize(("policy", "state"), [("reuse", _D.DROPPED), ("restart", _D.STARTED)])
def test_peer_hatchet_907_run_key_of_a_failed_run_follows_its_policy_at_intake(store, policy, state):
    """A delivery whose run key belongs to a run that failed is dropped with that run's name, or starts a new one: as was declared."""

    def keyed(key):
        return accepting(store, key, start=store.starting(run_key=RunKey("order-7", "h", policy)))

    store.do(keyed("first"))
    dead = store.claim_one()
    store.do(fail(dead))
    answer = store.do(keyed("second"))
    assert answer.state is state
    assert (dead.id in (answer.note or "")) == (state is _D.DROPPED)


# -- enabled, no error, and never fires again -------------------------------------------------------------------------------------


def test_peer_kestra_14349_trigger_that_was_switched_off_and_on_fires_again(store):
    """A pause stores what arrives and loses nothing; what was retired and undone listens as it did."""
    store.do(PauseAutomation("a", None, "ann", None))
    accepted = store.do(accepting(store, "paused"))
    assert (accepted.state, store.ids()) == (_D.STARTED, [])
    store.do(ResumeAutomation("a"))
    assert store.ids() == [accepted.run]
    store.do(RetireAutomation("a"))
    assert isinstance(store.do(accepting(store, "retired")), Refused)
    store.do(ResumeAutomation("a"), announced(hook()))
    assert store.do(accepting(store, "back")).state is _D.STARTED


def test_peer_windmill_10168_chain_continues_after_an_upstream_that_crashed(store):
    """The next run of the upstream is heard of, and so is the one that failed, once it was continued."""
    store.do(announced(on_run("b", "a")))
    failed = store.begin()
    store.do(fail(failed))
    assert waiting(store, "b/run") == []
    store.do(finish(store.begin()))
    assert len(waiting(store, "b/run")) == 1
    store.do(ReopenRun(failed.id))
    again = store.claim_one()
    assert again.id == failed.id
    store.do(finish(again))
    assert len(waiting(store, "b/run")) == 2
    assert store.state(failed.id) is RunState.SUCCEEDED


def test_peer_celery_8030_source_that_is_unreachable_states_since_when(store, clock):
    """A worker that is alive and consumes nothing is distinguished from one that has nothing to consume."""
    store.do(announced(hook(path=None, end="queue")))
    store.do(ReportConsumer("a/queue", None, clock.now(), "connection refused"))
    (consumer,) = triggers.consumers(store.reader)
    assert (consumer.trigger, consumer.unreachable_at, consumer.reason) == (
        "a/queue",
        clock.now(),
        "connection refused",
    )
    store.do(ReportConsumer("a/queue", clock.now(), None, None))
    assert [consumer.unreachable_at for consumer in triggers.consumers(store.reader)] == [None]


def test_peer_kestra_16721_late_upstream_starts_what_waits_for_it(store, clock):
    """Late is reported, and is no end: when the last one comes, the run of that slot starts."""
    store.do(announced(on_runs("c", "a", "b"), names=("a", "b", "c")))
    for name in ("a", "b"):
        store.start(name)
        store.do(finish(store.claim_one()))
    first, last = waiting(store, "c/runs")
    store.do(gathering(store, first, "a", deadline_at=clock.now() + 1_000))
    (late,) = triggers.open_gatherings(store.reader)
    assert ([member.automation for member in late.gathered], late.here, late.expected) == (["a"], 1, 2)
    clock.forward(86_400_000)
    assert triggers.open_gatherings(store.reader)[0].deadline_at < clock.now()
    assert isinstance(store.do(gathering(store, last, "b", start=store.starting("c"))), StartAnswer)
    assert triggers.open_gatherings(store.reader) == []
