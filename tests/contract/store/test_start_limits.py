"""Limits of starts: rate, throttle, debounce, and the cancel of what is in progress."""

import json

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ParentLink, StartLimits
from tests.contract.store.process import finish

THROTTLED = StartLimits("acme", throttle=(2, 60_000))
RATED = StartLimits("acme", rate=(2, 60_000))
DEBOUNCED = StartLimits("acme", debounce_ms=10_000)
BOUNDED = StartLimits("acme", debounce_ms=10_000, within_ms=15_000)


def test_start_beyond_the_rate_is_refused_until_the_span_is_over(store, clock):
    """The answer has the time to wait; another key has a rate of its own; a repeated command is the same start."""
    command = store.starting(limits=THROTTLED)
    assert store.do(command).run == store.again(command).run
    clock.forward(10_000)
    store.start(limits=THROTTLED)
    refused = store.do(store.starting(limits=THROTTLED))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry_after_ms) == ("throttled", 50_000)
    assert refused.text == "'a' with key 'acme' may be started at most 2 times in 1m"
    assert store.start(limits=StartLimits("globex", throttle=(2, 60_000))).created
    clock.forward(50_000)
    assert store.start(limits=THROTTLED).created
    assert isinstance(store.do(store.starting(limits=THROTTLED)), Refused)


def test_start_beyond_the_rate_waits_for_its_turn(store, clock):
    """In the order of starts; a repeated command is the same run; another key has its own rate; a start with a time is not counted."""
    first_at = clock.now()
    command = store.starting(limits=RATED)
    runs = [store.do(command).run, *(store.start(limits=RATED).run for _ in range(4))]
    assert store.again(command).run == runs[0]
    assert [store.run(run).due_at for run in runs[2:]] == [first_at + at for at in (60_000, 60_000, 120_000)]
    other = store.start(limits=StartLimits("globex", rate=(2, 60_000))).run
    later = store.start(limits=RATED, due_at=first_at + 10_000).run
    assert store.run(later).due_at == first_at + 10_000
    assert set(store.ids()) == {*runs[:2], other}
    clock.forward(60_000)
    assert set(store.ids()) == {*runs[2:4], later}
    last = store.start(limits=RATED).run
    assert store.run(last).due_at == first_at + 120_000
    store.do(ApplyRetention(None, None, None, None, None))
    assert store.run(store.start(limits=RATED).run).due_at == first_at + 180_000


def test_deadline_of_a_run_that_waits_for_its_turn_ends_it_in_time(store, clock):
    """A worker gets it at its deadline."""
    limits = StartLimits("acme", rate=(1, 60_000))
    store.start(limits=limits)
    late = store.start(limits=limits, deadline_after_ms=5_000).run
    view = store.run(late)
    assert (view.due_at, view.deadline_at) == (clock.now() + 5_000, clock.now() + 5_000)


def test_another_limit_of_the_same_key_continues_from_what_was_used(store, clock):
    """The option of the automation may change from one to the other."""
    for _ in range(3):
        store.start(limits=RATED)
    assert store.start(limits=THROTTLED).created  # the run that waits counts as one
    assert isinstance(store.do(store.starting(limits=THROTTLED)), Refused)
    clock.forward(600_000)
    store.start(limits=THROTTLED)
    first, second = (store.run(store.start(limits=RATED).run) for _ in range(2))
    assert (first.due_at, second.due_at) == (None, clock.now() + 60_000)


def test_later_start_replaces_the_input_of_a_debounced_run(store, clock):
    """One run for all starts of a key, with the newest input, due after the newest start."""
    first = store.start(limits=DEBOUNCED, input=b"1", title="one", deadline_at=clock.now() + 70_000)
    clock.forward(6_000)
    second = store.do(store.starting(limits=DEBOUNCED, input=b"2", title="two"))
    assert (second.run, second.created, second.state) == (first.run, False, RunState.QUEUED)
    assert store.start(limits=StartLimits("globex", debounce_ms=10_000)).created
    view = store.run(first.run)
    assert (view.input, view.title, view.due_at) == (b"2", "two", clock.now() + 10_000)
    assert view.deadline_at == clock.now() + 70_000
    clock.forward(9_999)
    assert first.run not in store.ids()
    clock.forward(1)
    assert store.ids(limit=1) == [first.run]


def test_debounced_start_that_is_sent_again_is_the_same_start(store, clock):
    """It brings back no older input, and is no second run after the first has begun."""
    first = store.start(limits=DEBOUNCED, input=b"1").run
    older, newer = (store.starting(limits=DEBOUNCED, input=data) for data in (b"2", b"3"))
    assert [store.do(older).run, store.do(newer).run, store.again(older).run] == [first, first, first]
    assert store.run(first).input == b"3"
    clock.forward(10_000)
    assert store.claim_one().id == first
    answer = store.again(newer)
    assert (answer.run, answer.created, answer.state) == (first, False, RunState.RUNNING)
    assert store.ids() == []


def test_start_after_the_debounced_run_became_due_is_a_new_run(store, clock):
    """Whether a worker has it already or not."""
    first = store.start(limits=DEBOUNCED)
    clock.forward(10_000)
    second = store.start(limits=DEBOUNCED)
    assert second.run != first.run
    assert store.claim_one().id == first.run
    third = store.start(limits=DEBOUNCED)
    assert (third.run, third.created) == (second.run, False)


def test_debounced_run_is_due_within_its_longest_wait(store, clock):
    """However many starts follow."""
    first = store.start(limits=BOUNDED)
    clock.forward(9_000)
    store.start(limits=BOUNDED)
    assert store.run(first.run).due_at == clock.now() + 6_000


def test_cancelled_debounced_run_is_replaced_by_a_new_one(store, clock):
    """Upkeep forgets runs that have begun or ended, and throttles whose span is over."""
    first = store.begin(limits=StartLimits("soon", debounce_ms=0))
    second = store.start(limits=StartLimits("soon", debounce_ms=5_000, throttle=(1, 1_000)))
    assert second.created
    store.do(finish(first))
    clock.forward(5_000)
    store.claim_one()
    store.do(ApplyRetention(None, None, None, None, None))
    for table in ("debounced_runs", "start_throttles"):
        assert store.reader.read_text(f"select automation from {table}", ()) == []


def test_new_run_cancels_the_others_of_its_key(store):
    """Those in line and idle ones at once; the one that runs frees its slot when its owner has ended it. Other keys and children stay."""
    store.announce("a", "b", definition=json.dumps({"options": {"concurrency": 1}}).encode(), fingerprint="code-2")
    options = {"concurrency_key": "acme", "cancels_other_runs": True}
    running = store.begin(**options)
    other = store.start(concurrency_key="globex").run
    child = store.start("b", parent=ParentLink(running.id, "c1", running.claim), concurrency_key="acme").run
    waiting = store.start(**options).run
    command = store.starting(**options)
    newest = store.do(command).run
    assert store.again(command).run == newest
    assert store.state(waiting) is RunState.CANCELLED
    assert store.state(running.id) is RunState.RUNNING
    assert [fact.kind for fact in store.engine_reads.facts_after(store.session, 0)] == ["cancel"]
    assert {store.state(run) for run in (other, child, newest)} == {RunState.QUEUED}
    store.do(finish(running, RunState.CANCELLED))
    assert newest in store.ids()


def test_debounced_run_keeps_a_later_start_and_its_whole_deadline(store, clock):
    """What the start itself asks for is not lost: the later of both instants, and the deadline from then on."""
    first = store.start(limits=DEBOUNCED, due_at=clock.now() + 60_000, deadline_after_ms=5_000)
    view = store.run(first.run)
    assert (view.due_at, view.deadline_at) == (clock.now() + 60_000, clock.now() + 65_000)
    second = store.start(limits=StartLimits("other", debounce_ms=10_000), deadline_after_ms=5_000)
    assert store.run(second.run).deadline_at == clock.now() + 15_000
