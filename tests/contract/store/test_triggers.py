"""What arrives: a key counts once, its pace decides in the commit that stores it, and each move is made by anyone who is first."""

import msgspec
import pytest

from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.triggers import flow_control
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import ApplyRetention, ResumeAutomation, RetireAutomation, SetQueue
from mainspring.store.commands.results import DONE, DeliveryStored, Refused, StartAnswer
from mainspring.store.commands.runs import RunKey
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.commands.triggers import RejectDelivery, ReleaseSourceKey, ReplayDelivery, ReportConsumer
from mainspring.store.read import triggers
from mainspring.store.write.triggers.rejected_deliveries import MOST_REJECTED
from tests.contract.store.deliveries import (
    HOOK,
    accepting,
    announced,
    deciding,
    hook,
    listed,
    on_event,
    read_state,
    releasing,
    waiting,
)
from tests.contract.store.process import event

DAY = 86_400_000
_D = DeliveryState


@pytest.fixture
def store(store):
    """A worker whose automation a has a webhook."""
    store.do(announced(hook()))
    return store


def state_of(answer):
    assert isinstance(answer, DeliveryStored)
    return answer.state


def test_delivery_starts_its_run_in_the_same_commit(store):
    """One commit from the wire to the run."""
    command = accepting(store, "k")
    answer = store.twice(command)
    assert answer == DeliveryStored(command.id, _D.STARTED, command.start.id, first=True)
    assert store.ids() == [command.start.id]
    view = triggers.delivery(store.reader, command.id)
    assert (view.body, view.key, view.run, view.received_at) == (b'{"n": 1}', "k", command.start.id, store.clock.now())
    assert [row.id for row in triggers.delivered_for(store.reader, command.start.id)] == [command.id]


def test_a_key_counts_once(store):
    """The second arrival of a key gets the first answer and starts nothing; another trigger has keys of its own."""
    store.do(announced(hook(), hook("b", "/b")))
    first, again = accepting(store, "k"), accepting(store, "k")
    other = accepting(store, "k", trigger="b/webhook")
    store.do(first)
    assert store.twice(again) == DeliveryStored(first.id, _D.STARTED, first.start.id, first=False)
    assert state_of(store.do(other)) is _D.STARTED
    assert len(store.ids()) == 2


def test_one_group_may_hold_a_key_twice(store):
    """A broker that gives a message out twice within a moment starts one run."""
    first, again = accepting(store, "k"), accepting(store, "k")
    answers = store.do(first, again)
    assert [answer.first for answer in answers] == [True, False]
    assert store.ids() == [first.start.id]


def test_the_same_key_with_another_body_is_refused(store):
    """It is reported, and the first stays as it is."""
    first = accepting(store, "k")
    store.do(first)
    answer = store.twice(accepting(store, "k", body_hash="other", body=b"x"))
    assert isinstance(answer, Refused)
    assert answer.code == "other_body"
    assert first.id in answer.text
    assert listed(store) == [("k", "started")]


def test_a_refusal_counts_for_the_whole_name_of_its_automation(store):
    """Which may hold a "/"."""
    store.do(announced(hook("shop/a"), names=("shop/a",)))
    first = accepting(store, "k", trigger="shop/a/webhook")
    store.do(first)
    store.do(accepting(store, "k", trigger="shop/a/webhook", body_hash="other", body=b"x"))
    store.do(RejectDelivery(id="d_r", trigger="shop/a/webhook", why="signature", note="bad", body=b""))
    found = store.reader.read_text("select automation, metric, n from rollup_details order by metric")
    assert found == [("shop/a", "refused:other_body", 1), ("shop/a", "refused:signature", 1)]


def test_nothing_arrives_for_a_trigger_that_is_none(store):
    """Unknown, ended and retired ones take nothing in; a resumed one does again."""
    assert store.do(accepting(store, "k", trigger="a/other")).code == "no_trigger"
    store.do(RetireAutomation("a"))
    assert store.do(accepting(store, "k")).code == "no_trigger"
    store.do(ResumeAutomation("a"))
    assert state_of(store.do(accepting(store, "k"))) is _D.STARTED
    store.do(announced())
    assert store.do(accepting(store, "later")).code == "no_trigger"
    assert state_of(store.do(accepting(store, "k"))) is _D.STARTED, "what came before is still answered"


def test_a_value_that_is_refused_is_kept_and_starts_nothing(store):
    """Anyone who sent it learns the same when it comes again."""
    command = accepting(store, "k", refused="no such field", start=None)
    answer = store.twice(command)
    assert answer == DeliveryStored(command.id, _D.REFUSED, None, first=True, note="no such field")
    again = accepting(store, "k", refused="no such field", start=None)
    assert store.do(again) == DeliveryStored(command.id, _D.REFUSED, None, first=False, note="no such field")
    assert store.ids() == []


@pytest.mark.parametrize("body_hash", ["h", "corrected"])
def test_delivery_refused_for_its_value_counts_once_it_fits(store, body_hash):
    """New code or a corrected body: the same key starts its run, once, and what was refused stays to be seen."""
    bad = accepting(store, "k", refused="no such field", start=None)
    store.do(bad)
    good, late = accepting(store, "k", body_hash=body_hash), accepting(store, "k", body_hash=body_hash)
    assert store.twice(good) == DeliveryStored(good.id, _D.STARTED, good.start.id, first=True)
    assert store.do(late) == DeliveryStored(good.id, _D.STARTED, good.start.id, first=False)
    assert listed(store) == [(f"k#{bad.id}", "refused"), ("k", "started")]
    assert triggers.delivery_of_key(store.reader, HOOK, "k") == good.id
    filtered = accepting(store, "f", refused="no such field", start=None)
    store.do(filtered)
    assert triggers.delivery_of_key(store.reader, HOOK, "f") is None
    assert state_of(store.do(accepting(store, "f", filtered=True))) is _D.RECEIVED


def test_a_full_queue_leaves_what_was_refused_as_it_was(store):
    """Busy changes nothing: the key is still there when it comes again."""
    store.do(accepting(store, "k", refused="no such field", start=None))
    store.do(SetQueue("default", max_backlog=1))
    store.do(accepting(store, "first"))
    assert store.do(accepting(store, "k")).code == "busy"
    assert listed(store) == [("k", "refused"), ("first", "started")]


def refused(delivery, **options):
    values = {"trigger": HOOK, "why": "signature", "note": "it is wrong", "body": b"x", "headers": b"{}"}
    return RejectDelivery(id=delivery, **(values | options))


def test_of_what_was_refused_the_newest_are_kept(store):
    """Anyone who sends rubbish does not fill the store, and takes nothing of another trigger away."""
    store.do(announced(hook(), hook("b", "/b")))
    store.do(refused("other", trigger="b/webhook"))
    for n in range(MOST_REJECTED + 20):
        command = refused(f"no{n:04}")
        assert store.twice(command) == DONE if n < 2 else store.do(command) == DONE
    rows = triggers.deliveries(store.reader, trigger=HOOK, limit=1_000).deliveries
    assert [rows[0].id, rows[-1].id, len(rows)] == [f"no{MOST_REJECTED + 19:04}", "no0020", MOST_REJECTED]
    assert rows[0].verified == "signature"
    assert read_state(store, "other") is _D.REFUSED


def test_filtered_delivery_waits_for_a_worker(store):
    """It is stored and undecided; what has none is not what a worker reads."""
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    assert (waiting(store, HOOK, 1), waiting(store, HOOK, 0)) == (["d1"], [])
    assert store.reader.read("list_waiting_triggers", (1,)) == [(HOOK,)]
    assert store.reader.read("list_waiting_triggers", (0,)) == []
    assert store.twice(deciding(store, "d1")).state is _D.STARTED
    assert len(store.ids()) == 1


def test_waiting_triggers_are_listed_each_once(store):
    """However much waits for one."""
    rows = [hook(end=f"webhook#{n}", path=f"/{n}") for n in range(2, 6)]
    store.do(announced(hook(), *rows))
    for row in rows[1:]:
        store.do(*(accepting(store, f"k{n}", trigger=row.name, filtered=True, start=None) for n in range(3)))
    assert store.reader.read("list_waiting_triggers", (1,)) == [(row.name,) for row in rows[1:]]


def test_a_run_that_cannot_be_started_makes_a_failed_delivery(store):
    """Its note says why, and a person may replay it."""
    assert store.do(accepting(store, "none", start=None)).state is _D.FAILED
    store.do(RetireAutomation("b"))
    answer = store.do(accepting(store, "k", start=store.starting("b")))
    assert (answer.state, answer.run) == (_D.FAILED, None)
    assert "retired" in answer.note


def test_busy_leaves_nothing(store):
    """A queue that is full says when to try again, and the arrival counts then."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    for control in (FlowControl(), FlowControl.parse(throttle="1m"), FlowControl.parse(dedup="1m")):
        command = accepting(store, "k", start=store.starting(queue="few"), pace=control)
        answer = store.do(command)
        assert isinstance(answer, Refused)
        assert answer.code == "busy"
        assert answer.retry_after_ms > 0
        assert listed(store) == []
    store.claim()
    assert store.again(command).state is _D.STARTED


def test_a_run_key_of_the_definition_makes_one_run(store):
    """Two arrivals of one run key: the second is dropped and says which run has it."""
    first, second = (accepting(store, key, start=store.starting(run_key=RunKey("order-1", "h"))) for key in "ab")
    store.do(first)
    answer = store.do(second)
    assert (answer.state, answer.run) == (_D.DROPPED, None)
    assert first.start.id in answer.note


@pytest.mark.parametrize(
    ("flow_control", "first", "second"),
    [
        (FlowControl.parse(debounce="10s"), _D.HELD, _D.HELD),
        (FlowControl.parse(throttle="10s"), _D.STARTED, _D.HELD),
        (FlowControl.parse(batch=3, within="10s"), _D.HELD, _D.HELD),
        (FlowControl.parse(dedup="10s"), _D.STARTED, _D.DROPPED),
        (FlowControl.parse(rate="1/10s"), _D.STARTED, _D.HELD),
    ],
    ids=["debounce", "throttle", "batch", "dedup", "rate"],
)
def test_flow_control_decides_in_the_commit_that_stores(store, flow_control, first, second):
    """Two of one key within a moment, and one of another key."""
    earlier, later = (accepting(store, name, pace=flow_control, by="x") for name in ("one", "two"))
    other = accepting(store, "other", pace=flow_control, by="y")
    assert store.twice(earlier).state is first
    store.clock.forward(1_000)
    assert store.twice(later).state is second
    assert store.do(other).state is first
    runs = [command.start.id for command in (earlier, later, other) if read_state(store, command.id) is _D.STARTED]
    assert store.ids() == runs
    if flow_control.debounce:
        assert read_state(store, earlier.id) is _D.DROPPED, "a newer one counts"


def test_held_delivery_is_released_once(store):
    """Of two routers the second finds that it was done; sent again, the first learns the same."""
    flow_control = FlowControl.parse(debounce="10s")
    command = accepting(store, "k", pace=flow_control)
    store.do(command)
    assert store.reader.read("list_due_held_groups", (store.clock.now() + 9_999, "[]", 10)) == []
    assert store.reader.read("find_next_held_due", (store.clock.now(),)) == [(store.clock.now() + 10_000,)]
    store.clock.forward(10_000)
    assert [row[:2] for row in store.reader.read("list_due_held_groups", (store.clock.now(), "[]", 10))] == [(HOOK, "")]
    first, second = releasing(store, flow_control, command.id), releasing(store, flow_control, command.id)
    assert store.twice(first) == StartAnswer(first.start.id, created=True, state=RunState.QUEUED)
    assert store.do(second).code == "changed"
    assert store.ids() == [first.start.id]
    assert triggers.delivery(store.reader, command.id).run == first.start.id


def test_a_newer_one_that_came_meanwhile_is_not_passed_over(store):
    """A router that read the old one of a debounce starts nothing, once a newer one counts."""
    flow_control = FlowControl.parse(debounce="10s")
    old, new = accepting(store, "old", pace=flow_control), accepting(store, "new", pace=flow_control)
    store.do(old, new)
    assert store.do(releasing(store, flow_control, old.id)).code == "changed"
    assert store.do(releasing(store, flow_control, new.id)).created
    assert listed(store) == [("old", "dropped"), ("new", "started")]


def test_a_debounce_that_never_rests_is_released_in_time(store, clock):
    """Its `within` counts from the first, although only the newest is held."""
    flow_control, begin = FlowControl.parse(debounce="10s", within="15s"), clock.now()
    for n in range(3):
        store.do(accepting(store, f"k{n}", pace=flow_control))
        clock.forward(7_000)
    assert [tuple(row) for row in store.reader.read("list_due_held_groups", (begin + 15_000, "[]", 9))] == [
        (HOOK, "", begin + 15_000)
    ]
    store.do(releasing(store, flow_control, triggers.deliveries(store.reader).deliveries[0].id))
    assert store.do(accepting(store, "next", pace=flow_control)).state is _D.HELD
    assert store.reader.read("find_next_held_due", (clock.now(),)) == [(clock.now() + 10_000,)]


def test_a_batch_becomes_one_run(store):
    """Each of it names the run, in the order in which they came."""
    flow_control = FlowControl.parse(batch=3, within="10s")
    commands = [accepting(store, f"k{n}", pace=flow_control) for n in range(3)]
    answers = store.do(*commands)
    assert [answer.state for answer in answers] == [_D.HELD] * 3
    now = store.clock.now()
    assert [tuple(row) for row in store.reader.read("list_due_held_groups", (now, "[]", 10))] == [(HOOK, "", now)]
    go = releasing(store, flow_control, *(command.id for command in commands))
    assert store.twice(go).created
    assert [row.id for row in triggers.delivered_for(store.reader, go.start.id)] == [command.id for command in commands]


def test_a_rate_holds_back_what_is_released(store):
    """What would start too soon is looked at later, all of its key together."""
    flow_control = FlowControl.parse(rate="1/10s")
    commands = [accepting(store, f"k{n}", pace=flow_control) for n in range(3)]
    assert [answer.state for answer in store.do(*commands)] == [_D.STARTED, _D.HELD, _D.HELD]
    assert store.twice(releasing(store, flow_control, commands[1].id)) == DONE
    assert store.reader.read("list_due_held_groups", (store.clock.now() + 9_999, "[]", 10)) == []
    store.clock.forward(10_000)
    assert store.do(releasing(store, flow_control, commands[1].id)).created
    assert store.do(releasing(store, flow_control, commands[2].id)) == DONE
    assert listed(store) == [("k0", "started"), ("k1", "started"), ("k2", "held")]


def test_a_full_queue_holds_back_what_is_released(store):
    """It is looked at again when the queue says so, and nothing is lost."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    flow_control = FlowControl.parse(debounce="1s")
    command = accepting(store, "k", pace=flow_control)
    store.do(command)
    store.clock.forward(1_000)
    go = releasing(store, flow_control, command.id, start=store.starting(queue="few"))
    assert store.do(go) == DONE
    assert read_state(store, command.id) is _D.HELD
    ((due_at,),) = store.reader.read("find_next_held_due", (store.clock.now(),))
    store.claim()
    store.clock.forward(due_at - store.clock.now())
    assert store.do(releasing(store, flow_control, command.id)).created


def test_delivery_that_fits_no_run_fails(store):
    """A group whose trigger is gone ends, with the reason."""
    flow_control = FlowControl.parse(debounce="1s")
    command = accepting(store, "k", pace=flow_control)
    store.do(command)
    assert (
        store.twice(releasing(store, flow_control, command.id, start=None, note="its trigger no longer exists")) == DONE
    )
    view = triggers.delivery(store.reader, command.id)
    assert (view.state, view.note) == (_D.FAILED, "its trigger no longer exists")


def test_a_decision_is_made_once(store):
    """Two that decide on one delivery start one run; the second learns what became of it."""
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    first, second = deciding(store, "d1"), deciding(store, "d1", _D.FILTERED, note="no")
    assert store.twice(first) == DeliveryStored("d1", _D.STARTED, first.start.id, first=True)
    assert store.do(second) == DeliveryStored("d1", _D.STARTED, first.start.id, first=False)
    assert store.ids() == [first.start.id]
    assert store.do(deciding(store, "none")).code == "changed"


@pytest.mark.parametrize("state", [_D.FILTERED, _D.DROPPED, _D.REFUSED, _D.FAILED])
def test_a_decision_may_be_no(store, state):
    """Nothing starts, and the note says why."""
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    assert store.twice(deciding(store, "d1", state, note="why")) == DeliveryStored(
        "d1", state, None, first=True, note="why"
    )
    assert (store.ids(), waiting(store, HOOK, 1)) == ([], [])


def test_a_decision_waits_for_a_full_queue(store):
    """It is refused as busy and the delivery stays where it is."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    assert store.do(deciding(store, "d1", start=store.starting(queue="few"))).code == "busy"
    assert waiting(store, HOOK, 1) == ["d1"]


def test_decision_follows_flow_control(store):
    """What passed its filter is held like any other."""
    flow_control = FlowControl.parse(debounce="10s")
    store.do(*(accepting(store, name, filtered=True, start=None, id=name) for name in ("d1", "d2")))
    assert store.twice(deciding(store, "d1", pace=flow_control)).state is _D.HELD
    assert store.do(deciding(store, "d2", pace=flow_control)).state is _D.HELD
    assert listed(store) == [("d1", "dropped"), ("d2", "held")]


def test_a_replay_is_a_new_delivery(store):
    """It names the old one, has its body, and is decided like one that has just come."""
    command = accepting(store, "k")
    store.do(command)
    replayed = store.twice(ReplayDelivery("again", command.id))
    assert replayed == DeliveryStored("again", _D.RECEIVED, None, first=True)
    view = triggers.delivery(store.reader, "again")
    assert (view.replay_of, view.body, view.name) == (command.id, b'{"n": 1}', "")
    assert store.do(deciding(store, "again")).state is _D.STARTED
    assert len(store.ids()) == 2
    assert store.do(ReplayDelivery("x", "none")).code == "not_found"
    store.do(RetireAutomation("a"))
    assert store.do(ReplayDelivery("x", command.id)).code == "no_trigger"


def test_rejected_delivery_is_not_replayed(store):
    """What is kept of it is for people to see: it may be cut, or nothing. What was refused later was kept as it came."""
    store.do(RejectDelivery(id="d_r", trigger=HOOK, why="too_large", note="it is too large", body=b""))
    answer = store.twice(ReplayDelivery("again", "d_r"))
    assert (answer.code, "was rejected" in answer.text) == ("not_kept", True)
    assert listed(store) == [("refused:d_r", "refused")]
    store.do(accepting(store, "k", start=None, refused="it does not fit", id="d_k"))
    assert store.do(ReplayDelivery("again", "d_k")).state is _D.RECEIVED


def test_a_replay_goes_through_the_filter_of_today(store):
    """The trigger has a filter since."""
    store.do(announced(on_event()))
    store.do(event(id="e1"))
    (delivery,) = waiting(store, "a/event")
    store.do(announced(on_event(filtered=True)))
    store.do(ReplayDelivery("again", delivery))
    assert waiting(store, "a/event", 1) == ["again"]


def test_a_key_may_be_forgotten(store):
    """What is over gives its key free and keeps its row; what is undecided does not."""
    store.do(accepting(store, "k", id="d1"))
    assert store.twice(ReleaseSourceKey(HOOK, "k")) == DONE
    assert state_of(store.do(accepting(store, "k", id="d2"))) is _D.STARTED
    assert read_state(store, "d1") is _D.STARTED
    store.do(accepting(store, "held", pace=FlowControl.parse(debounce="1s")))
    for key in ("held", "never"):
        assert store.do(ReleaseSourceKey(HOOK, key)).code == "not_found"


def test_consumer_reports_whether_it_can_fetch(store):
    """One row for each process; it goes with its session."""
    assert store.twice(ReportConsumer(HOOK, 5, None, None)) == DONE
    assert store.do(ReportConsumer(HOOK, None, 9, "refused")) == DONE
    (consumer,) = triggers.consumers(store.reader)
    assert (consumer.trigger, consumer.connected_at, consumer.unreachable_at, consumer.reason) == (
        HOOK,
        None,
        9,
        "refused",
    )
    store.do(CloseSession())
    assert triggers.consumers(store.reader) == []


def prune(before):
    return ApplyRetention(None, None, None, before, None)


def test_old_deliveries_go_and_their_keys_with_them(store, clock):
    """A key counts for seven days at least, however short events are kept."""
    store.do(accepting(store, "k"))
    clock.forward(7 * DAY)
    store.do(prune(clock.now()))
    assert listed(store) == [("k", "started")]
    clock.forward(1)
    store.do(prune(clock.now()))
    assert listed(store) == []
    assert store.do(accepting(store, "k")).first


def test_undecided_delivery_stays(store, clock):
    """So does the event that it tells of."""
    store.do(announced(hook(), on_event()))
    store.do(event(id="e1", keep_until=clock.now() + 1))
    store.do(event("other", id="e2", keep_until=clock.now() + 1))
    store.do(accepting(store, "held", pace=FlowControl.parse(debounce="99d")))
    (delivery,) = waiting(store, "a/event")
    clock.forward(30 * DAY)
    store.do(prune(clock.now()))
    assert [found.id for found in store.read("events")] == ["e1"]
    assert listed(store) == [("e1", "received"), ("held", "held")]
    store.do(deciding(store, delivery, trigger="a/event"))
    clock.forward(8 * DAY)
    store.do(prune(clock.now()))
    assert (store.read("events"), listed(store)) == ([], [("held", "held")])


def test_a_long_dedup_outlives_the_deliveries(store, clock):
    """What is remembered of a key stays for as long as its pace asks for it."""
    flow_control = FlowControl.parse(dedup="30d")
    store.do(accepting(store, "one", pace=flow_control))
    clock.forward(29 * DAY)
    store.do(prune(clock.now()))
    assert store.do(accepting(store, "two", pace=flow_control)).state is _D.DROPPED
    clock.forward(2 * DAY)
    store.do(prune(clock.now()))
    assert store.reader.read_text("select * from flow_control") == []


def test_a_flow_control_takes_no_more_than_it_can_hold(store, monkeypatch):
    """Anyone who sends is asked to wait, and nothing is stored."""
    monkeypatch.setattr(flow_control, "_MOST_HELD", 2)
    batching = FlowControl.parse(batch=100)
    store.do(*(accepting(store, f"k{n}", pace=batching) for n in range(2)))
    answer = store.do(accepting(store, "more", pace=batching))
    assert (answer.code, answer.retry_after_ms > 0) == ("busy", True)
    assert len(listed(store)) == 2


def test_commands_travel(store):
    """What a door sends is data: it can be written and read."""
    command = accepting(store, "k", pace=FlowControl.parse(rate="1/s"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=type(command)) == command
