"""Two processes decide at once about one thing: whichever commits first, the outcome is one that could come of one after the other."""

from typing import Any

import pytest

from mainspring.domain.errors import FencedError
from mainspring.domain.states import RunState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    ApplyRetention,
    AutomationRow,
    MakeSlot,
    ReleaseLock,
    ScheduleRow,
    SetQueue,
)
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.inbox import CloseWait, OpenWait
from mainspring.store.commands.results import DONE, LockGranted, NumberAnswer, Refused, StartAnswer
from mainspring.store.commands.runs import CancelRun, ClaimRuns, ParentLink, ReopenRun, RunKey
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.contract.store.clock import START_AT
from tests.contract.store.deliveries import (
    accepting,
    announced,
    deciding,
    gathering,
    hook,
    listed,
    on_runs,
    releasing,
    waiting,
)
from tests.contract.store.overlap import overlap
from tests.contract.store.process import (
    audited,
    event,
    fail,
    finish,
    outcome,
    signal,
    suspend,
    wait_for,
)

pytestmark = pytest.mark.parametrize("reverse", [False, True], ids=["as_given", "the_other_way"])


def meet(left: Any, right: Any, *, reverse: bool, rings: int = 0) -> tuple[Any, Any]:
    """Let two (process, group) pairs meet in either order; return their answers in the order of the arguments."""
    first, later = (right, left) if reverse else (left, right)
    met = overlap(*first, *later)
    assert met.rings <= rings, "these two wait for each other in a ring"
    answers = (met.first.answer, met.second.answer)
    return answers[::-1] if reverse else answers


def keyed(process: Any, policy: str = "reuse", **options: Any) -> Any:
    return process.starting(run_key=RunKey("k", "h", policy), **options)


def test_a_suspend_misses_no_message(store, second, reverse):
    """A run that goes to sleep while a message is on its way is woken."""
    run = store.begin()
    meet((store, suspend(run)), (second, signal(run.id)), reverse=reverse)
    assert second.ids() == [run.id]


def test_a_suspended_parent_hears_of_its_childs_end(store, second, reverse):
    """A parent that goes to sleep while its child ends is woken."""
    parent = store.begin()
    store.start("b", parent=ParentLink(parent.id, "c1", 1))
    child = second.claim_one()
    meet((store, suspend(parent)), (second, finish(child)), reverse=reverse)
    assert second.ids() == [parent.id]


def test_a_parent_and_its_child_that_end_at_once_make_no_ring(store, second, reverse):
    """The one closes what is below it, the other tells what is above it."""
    parent = store.begin()
    store.start("b", parent=ParentLink(parent.id, "c1", 1))
    child = second.claim_one()
    meet((store, finish(parent)), (second, finish(child)), reverse=reverse)
    assert {store.state(parent.id), store.state(child.id)} == {RunState.SUCCEEDED}


def test_a_message_for_a_run_that_restarts_reaches_the_successor(store, second, reverse):
    """Anyone who continues takes over what was reported, and what is distinguished from then on."""
    run = second.begin()
    successor = store.starting()
    detail = b'{"restarted_as":"%s"}' % successor.id.encode()
    meet((store, signal(run.id)), (second, finish(run, then=successor, detail=detail)), reverse=reverse)
    claimed = second.claim_one()
    assert claimed.id == successor.id
    assert [fact.source for fact in claimed.facts] == ["src"]


def test_a_child_that_ends_while_its_parent_restarts_makes_no_ring(store, second, reverse):
    """The one closes what is below it, the other tells what is above it."""
    parent = store.begin()
    store.start("b", parent=ParentLink(parent.id, "c1", 1))
    child = second.claim_one()
    then = store.starting()
    detail = b'{"restarted_as":"%s"}' % then.id.encode()
    meet((store, finish(parent, then=then, detail=detail)), (second, finish(child)), reverse=reverse)
    assert store.claim_one().id == then.id


def test_an_event_that_meets_a_new_wait_is_handed_over_once(store, second, reverse):
    """Neither side may look before the other one is written."""
    run = store.begin()
    meet((store, wait_for(run, since_at=0)), (second, event(id="e9")), reverse=reverse)
    assert [fact.source for fact in store.engine_reads.facts_after(store.session, 0)] == ["e9"]


def test_an_event_that_meets_a_sleeping_waiter_makes_no_ring(store, second, reverse):
    """A worker opens a wait and lets the run sleep in one group, whichever way round."""
    run, other = store.begin(), store.begin()
    store.do(wait_for(run, ident="old"), wait_for(other, ident="old"))
    group = (suspend(other), wait_for(run, ident="new"), suspend(run))
    meet((store, group), (second, event()), reverse=reverse)
    assert set(second.ids()) == {run.id, other.id}


def test_two_events_that_wake_the_same_runs_make_no_ring(store, second, reverse):
    """Each run is reported both."""
    first, later = store.begin(), store.begin()
    store.do(wait_for(first, "paid", "p"), wait_for(later, "sent", "s"))
    store.clock.forward(1)
    store.do(wait_for(later, "paid", "p"), wait_for(first, "sent", "s"))
    meet((store, event("paid")), (second, event("sent")), reverse=reverse)
    assert len(store.engine_reads.facts_after(store.session, 0)) == 4


def test_an_event_for_a_wait_that_is_abandoned_goes_to_the_next_wait(store, second, reverse):
    """It must not stay with a wait that no one has any more."""
    run = store.begin()
    store.do(wait_for(run, ident="first"))
    meet((store, CloseWait(run.id, run.claim, "first")), (second, event(id="e9")), reverse=reverse)
    store.do(wait_for(run, ident="next", since_at=0))
    assert [fact.ident for fact in store.engine_reads.facts_after(store.session, 0)] == ["next"]


def test_a_watcher_hears_of_an_end_that_it_met(store, second, reverse):
    """Anyone who begins to wait for a run that is ending is reported."""
    watched, watcher = store.begin(), second.begin()
    wait = OpenWait(watcher.id, watcher.claim, "w", "run", watched.id)
    meet((store, finish(watched)), (second, (wait, suspend(watcher))), reverse=reverse)
    assert second.ids() == [watcher.id]


def test_a_watcher_that_met_a_new_start_waits_for_the_successor(store, second, reverse):
    """The end of a run that continues as another one is not the end."""
    watched, watcher = store.begin(), second.begin()
    successor = store.starting()
    detail = b'{"restarted_as":"%s"}' % successor.id.encode()
    wait = OpenWait(watcher.id, watcher.claim, "w", "run", watched.id)
    meet((store, finish(watched, then=successor, detail=detail)), (second, wait), reverse=reverse)
    assert second.engine_reads.facts_after(second.session, 0) == []
    store.do(finish(store.claim_one(), result=b'"successor"'))
    assert [fact.payload for fact in second.engine_reads.facts_after(second.session, 0)] == [b'"successor"']


def test_one_key_is_one_run(store, second, reverse):
    """The second start finds the run of the first."""
    first, later = meet((store, keyed(store)), (second, keyed(second)), reverse=reverse)
    assert first.run == later.run
    assert sorted([first.created, later.created]) == [False, True]


def test_a_key_leads_to_one_run_that_continues(store, second, reverse):
    """A failed run is not continued while its key goes to a new one."""
    run = store.begin(run_key=RunKey("k", "h"))
    store.do(fail(run))
    meet((store, ReopenRun(run.id)), (second, keyed(second, "restart")), reverse=reverse)
    assert len(second.ids()) == 1


def test_one_id_is_one_run(store, second, reverse):
    """Two that start the same run at once both learn that it is started."""
    command = store.starting()
    first, later = meet((store, command), (second, command), reverse=reverse)
    assert isinstance(first, StartAnswer)
    assert isinstance(later, StartAnswer)
    assert sorted([first.created, later.created]) == [False, True]


def test_a_run_reported_twice_is_one_run(store, second, reverse):
    """A wrapped command's own record and its copy in the spool may come at once."""
    record = RecordExecRun(
        id=store.name(), automation="w", kind="script", version=1, title=None, trigger="exec", codec="json", input=b"{}",
        state=RunState.SUCCEEDED, started_at=1, finished_at=2,
    )  # fmt: skip
    first, later = meet((store, record), (second, record), reverse=reverse)
    assert sorted([first.created, later.created]) == [False, True]


def test_a_partition_is_passed_on_to_who_meets_its_end(store, second, reverse):
    """A run that comes while the holder ends is neither stuck nor beside it."""
    holder = store.begin(partition="p")
    started = start_in(second, "p")
    meet((store, finish(holder)), (second, started), reverse=reverse)
    assert second.ids() == [started.id]


def start_in(process: Any, partition: str, **options: Any) -> Any:
    return process.starting(partition=partition, **options)


def test_a_partition_is_not_passed_on_to_a_run_that_is_cancelled(store, second, reverse):
    """The next in line is cancelled while the key comes to it: the one behind it gets it."""
    holder = store.begin(partition="p")
    next_one, last = second.start(partition="p"), second.start(partition="p")
    meet((store, finish(holder)), (second, CancelRun(next_one.run, "x")), reverse=reverse)
    assert second.ids() == [last.run]
    assert second.state(next_one.run) is RunState.CANCELLED


def test_a_due_run_that_is_cancelled_takes_no_partition(store, second, reverse):
    """A start lines up behind those that are due; one of them is being cancelled."""
    due = store.start(partition="p", due_at=START_AT + 5)
    store.clock.forward(10)
    started = start_in(second, "p")
    meet((store, CancelRun(due.run, "x")), (second, started), reverse=reverse)
    assert second.ids() == [started.id]


def test_due_runs_line_up_with_a_start_in_no_ring(store, second, reverse):
    """A claim that makes runs due and a start in the same partition meet; those that were due before go first."""
    due = [store.start(partition=name, due_at=START_AT + 5).run for name in ("p", "q")]
    store.clock.forward(10)
    later = [start_in(second, "q"), start_in(second, "p")]
    claimed, _ = meet((store, ClaimRuns(store.name("c"), 10)), (second, tuple(later)), reverse=reverse)
    assert {run.id for run in claimed.runs} == set(due)
    assert second.ids() == []


def test_two_claims_of_due_runs_make_no_ring(store, second, reverse):
    """Each makes due what the other one does not look at."""
    for n in range(6):
        store.start(partition="pq"[n % 2], due_at=START_AT + 5 + n % 3)
    store.clock.forward(10)
    first, later = meet(
        (store, ClaimRuns(store.name("c"), 10)), (second, ClaimRuns(store.name("c"), 10)), reverse=reverse
    )
    assert len(first.runs) + len(later.runs) + len(store.ids()) == 2


def test_ends_in_two_partitions_make_no_ring(store, second, reverse):
    """Each process ends a run of both partitions' lines, in other orders."""
    own = [store.begin(partition="p"), store.begin(partition="q")]
    starts = (start_in(second, "q"), start_in(second, "p"))
    meet((store, tuple(finish(run) for run in own)), (second, starts), reverse=reverse)
    assert set(second.ids()) == {start.id for start in starts}


def test_a_queue_takes_no_more_than_its_backlog(store, second, reverse):
    """One place is left, and two come for it."""
    store.do(SetQueue("few", max_backlog=1))
    first, later = meet((store, store.starting(queue="few")), (second, second.starting(queue="few")), reverse=reverse)
    assert sorted(isinstance(answer, Refused) for answer in (first, later)) == [False, True]


def test_a_queue_runs_no_more_than_its_limit(store, second, reverse):
    """Two claims share what the limit allows."""
    store.do(SetQueue("few", concurrency=3))
    for _ in range(6):
        store.start(queue="few")
    first, later = meet(
        (store, ClaimRuns(store.name("c"), 2)), (second, ClaimRuns(store.name("c"), 2)), reverse=reverse
    )
    assert len(first.runs) + len(later.runs) == 3


def test_a_rate_is_spent_once(store, second, reverse):
    """Two claims share the starts that the rate allows."""
    store.do(SetQueue("few", rate_count=3, rate_per_ms=60_000))
    for _ in range(6):
        store.start(queue="few")
    first, later = meet(
        (store, ClaimRuns(store.name("c"), 2)), (second, ClaimRuns(store.name("c"), 2)), reverse=reverse
    )
    assert len(first.runs) + len(later.runs) == 3


def test_a_run_is_claimed_by_one(store, second, reverse):
    """Two claims take no run twice."""
    expected = {store.start().run for _ in range(3)}
    first, later = meet(
        (store, ClaimRuns(store.name("c"), 2)), (second, ClaimRuns(store.name("c"), 2)), reverse=reverse
    )
    ids = [run.id for run in (*first.runs, *later.runs)]
    ids += store.ids()
    assert sorted(ids) == sorted(expected)


def test_a_claim_that_meets_a_cancel_hears_of_it(store, second, reverse):
    """The run is cancelled before it began, or its owner is reported."""
    run = store.start().run
    claimed, done = meet((store, ClaimRuns(store.name("c"), 1)), (second, CancelRun(run, "x")), reverse=reverse)
    assert done == DONE
    if claimed.runs:
        assert [fact.source for fact in store.engine_reads.facts_after(store.session, 0)] == ["x"]
    else:
        assert store.state(run) is RunState.CANCELLED


def test_a_dead_session_writes_nothing_afterwards(store, second, reverse):
    """What it had begun to commit counts or not; what comes after its burial never does."""
    run = store.begin()
    saved, freed = None, None
    try:
        saved, freed = meet((store, outcome(run, 1)), (second, DeclareSessionDead(store.session)), reverse=reverse)
    except FencedError:
        assert reverse
    with pytest.raises(FencedError):
        store.do(outcome(run, 2))
    (again,) = second.claim().runs
    assert again.rank == (0 if reverse else 1)
    assert (saved, freed) == ((None, None) if reverse else (DONE, NumberAnswer(1)))


def test_two_sessions_that_declare_each_other_dead_leave_one(store, second, reverse):
    """The server breaks the ring, and who is dead writes nothing."""
    with pytest.raises(FencedError):
        meet(
            (store, DeclareSessionDead(second.session)),
            (second, DeclareSessionDead(store.session)),
            reverse=reverse,
            rings=9,
        )
    left = [session.id for session in store.read("sessions")]
    assert len(left) == 1


def test_a_run_is_pruned_or_continued(store, second, reverse):
    """Nothing of a run that continues is deleted."""
    run = store.begin()
    store.do(outcome(run, 1), fail(run, "s1"))
    store.clock.forward(10)
    prune = ApplyRetention(None, store.clock.now(), None, None, None)
    pruned, reopened = meet((store, prune), (second, ReopenRun(run.id)), reverse=reverse)
    if reopened == DONE:
        assert pruned == NumberAnswer(0)
        assert second.claim_one().id == run.id
    else:
        assert (pruned, reopened.code) == (NumberAnswer(1), "not_found")


def test_a_lock_has_one_holder(store, second, reverse):
    """Two take it; one learns who has it."""
    first, later = meet((store, AcquireLock("l", "mine")), (second, AcquireLock("l", "theirs")), reverse=reverse)
    assert sorted(isinstance(answer, Refused) for answer in (first, later)) == [False, True]
    holder, other = (second, store) if isinstance(first, Refused) else (store, second)
    holder.do(ReleaseLock("l", 1))
    assert other.do(AcquireLock("l", "next")) == LockGranted(2)


def test_a_slot_is_made_once(store, second, reverse):
    """Two schedulers serve one due time."""
    store.announce("a", schedules=(ScheduleRow("a", "a", b"{}", 5),))
    slots = [MakeSlot("a", 5, 10, "run", start=process.starting()) for process in (store, second)]
    first, later = meet((store, slots[0]), (second, slots[1]), reverse=reverse)
    assert sorted(isinstance(answer, Refused) for answer in (first, later)) == [False, True]
    assert len(store.ids()) == 1


def test_one_command_id_works_once(store, second, reverse):
    """Both get the same answer, and one row is written."""
    run = store.begin()
    act = audited(CancelRun(run.id, "x"), "cmd-x")
    first, later = meet((store, act), (second, act), reverse=reverse)
    assert first == later == DONE
    assert len(store.read("audit_rows")) == 1
    assert len(store.engine_reads.facts_after(store.session, 0)) == 1


def test_two_deployments_have_two_numbers(store, second, reverse):
    """Numbers are given in the order of the commits."""
    rows = [AnnounceDefinitions(f"code-{n}", (AutomationRow("a", "task", 1, f"code-{n}", b"{}"),), ()) for n in (8, 9)]
    first, later = meet((store, rows[0]), (second, rows[1]), reverse=reverse)
    assert {first, later} == {NumberAnswer(2), NumberAnswer(3)}


@pytest.fixture
def hooked(store, second):
    """Automation a has a webhook, and b waits for runs of a and b."""
    store.do(announced(hook(), on_runs("b", "a", "b")))


FLOW_CONTROLS = [
    FlowControl(),
    FlowControl.parse(debounce="1m"),
    FlowControl.parse(throttle="1m"),
    FlowControl.parse(batch=2),
    FlowControl.parse(rate="1/m"),
]


@pytest.mark.usefixtures("hooked")
@pytest.mark.parametrize("flow_control", FLOW_CONTROLS, ids=["plain", "debounce", "throttle", "batch", "rate"])
def test_a_key_arrives_once(store, second, reverse, flow_control):
    """Two doors take the same arrival in at once: one run at most, and both hear of the same delivery."""
    commands = [accepting(process, "k", pace=flow_control) for process in (store, second)]
    first, later = meet((store, commands[0]), (second, commands[1]), reverse=reverse)
    assert first.delivery == later.delivery
    assert sorted([first.first, later.first]) == [False, True]
    assert len(store.ids()) == (first.run is not None)


@pytest.mark.usefixtures("hooked")
def test_groups_of_deliveries_in_other_orders_make_no_ring(store, second, reverse):
    """Each door has the keys of the other one in its group, the other way round; each starts one run."""
    groups = [tuple(accepting(process, f"k{n}") for n in range(6)) for process in (store, second)]
    first, later = meet((store, groups[0]), (second, groups[1][::-1]), reverse=reverse)
    assert [answer.delivery for answer in first] == [answer.delivery for answer in later][::-1]
    assert len(store.ids()) == 6


@pytest.mark.usefixtures("hooked")
@pytest.mark.parametrize("flow_control", FLOW_CONTROLS[1:], ids=["debounce", "throttle", "batch", "rate"])
def test_two_deliveries_of_one_key_are_decided_in_turn(store, second, reverse, flow_control):
    """Neither sees what was there before the other: one is newer, or both are one batch."""
    commands = [accepting(process, name, pace=flow_control) for process, name in ((store, "one"), (second, "two"))]
    meet((store, commands[0]), (second, commands[1]), reverse=reverse)
    states = sorted(state for _, state in listed(store))
    expected = {"debounce": ["dropped", "held"], "batch": ["held", "held"]}
    name = next((name for name in expected if getattr(flow_control, name) is not None), None)
    assert states == (expected[name] if name is not None else ["held", "started"])


@pytest.mark.usefixtures("hooked")
def test_two_routers_decide_once(store, second, reverse):
    """One run for one delivery."""
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    commands = [deciding(process, "d1") for process in (store, second)]
    first, later = meet((store, commands[0]), (second, commands[1]), reverse=reverse)
    assert first.run == later.run
    assert len(store.ids()) == 1


@pytest.mark.usefixtures("hooked")
def test_groups_of_two_routers_decide_once(store, second, reverse):
    """Each has the same deliveries, in other orders."""
    deliveries = [accepting(store, f"k{n}", filtered=True, start=None, id=f"d{n}") for n in range(6)]
    store.do(*deliveries)
    groups = [tuple(deciding(process, delivery.id) for delivery in deliveries) for process in (store, second)]
    first, later = meet((store, groups[0]), (second, groups[1][::-1]), reverse=reverse)
    assert [answer.run for answer in first] == [answer.run for answer in later][::-1]
    assert len(store.ids()) == 6


@pytest.mark.usefixtures("hooked")
def test_a_released_group_meets_a_newer_delivery(store, second, reverse):
    """The held one starts and the newer one is held, or the newer one takes its place."""
    flow_control = FlowControl.parse(debounce="1m")
    old = accepting(store, "old", pace=flow_control)
    store.do(old)
    going, new = releasing(store, flow_control, old.id), accepting(second, "new", pace=flow_control)
    answer, _ = meet((store, going), (second, new), reverse=reverse)
    states = dict(listed(store))
    if isinstance(answer, StartAnswer):
        assert states == {"old": "started", "new": "held"}
    else:
        assert (answer.code, states) == ("changed", {"old": "dropped", "new": "held"})


@pytest.mark.usefixtures("hooked")
def test_two_ends_are_gathered_into_one_start(store, second, reverse):
    """Two routers bring the two ends that were missing: anyone who is second sees the first's."""
    ids = []
    for automation in "ab":
        store.do(finish(store.begin(automation=automation)))
        (delivery,) = [delivery for delivery in waiting(store, "b/runs") if delivery not in ids]
        ids.append(delivery)
    commands = [
        gathering(process, delivery, automation, trigger="b/runs", start=process.starting("b"))
        for process, delivery, automation in zip((store, second), ids, "ab", strict=True)
    ]
    answers = meet((store, commands[0]), (second, commands[1]), reverse=reverse)
    assert sum(isinstance(answer, StartAnswer) for answer in answers) == 1
    assert len(store.ids()) == 1


@pytest.mark.usefixtures("hooked")
def test_an_end_that_is_gathered_meets_an_announcement(store, second, reverse):
    """A worker that starts counts what is gathered again: also what another process puts there just then."""
    rows = (on_runs("b", "a", "b", "c"),)
    store.do(announced(*rows, names=("a", "b", "c")))
    commands = []
    for automation in "ab":
        store.do(finish(store.begin(automation=automation)))
        (delivery,) = [
            delivery for delivery in waiting(store, "b/runs") if delivery not in {c.delivery for c in commands}
        ]
        commands.append(gathering(second, delivery, automation, trigger="b/runs", expected=3))
    store.do(commands[0])
    meet((store, announced(*rows, names=("a", "b", "c"))), (second, commands[1]), reverse=reverse)
    assert store.reader.read_text("select expected, here from gatherings") == [(3, 2)]
