"""What arrives: a key counts once, its pace decides in the commit that stores it, and each move is made by whoever is first."""

import msgspec
import pytest

from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.triggers import flow_control as paces
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import ApplyRetention, ResumeAutomation, RetireAutomation, SetQueue
from mainspring.store.commands.results import DONE, DeliveryStored, Refused, StartAnswer
from mainspring.store.commands.runs import RunKey
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.commands.triggers import RejectDelivery, ReleaseSourceKey, ReplayDelivery, ReportConsumer
from mainspring.store.read import triggers as reads
from mainspring.store.write.triggers.rejected_deliveries import MOST_REJECTED
from tests.contract.store.arrivals import (
    HOOK,
    announced,
    deciding,
    hook,
    letting_go,
    listed,
    on_event,
    stands,
    taking_in,
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


def test_what_arrives_starts_its_run_in_the_same_commit(store):
    """One commit from the wire to the run."""
    command = taking_in(store, "k")
    answer = store.twice(command)
    assert answer == DeliveryStored(command.id, _D.STARTED, command.start.id, first=True)
    assert store.ids() == [command.start.id]
    view = reads.delivery(store.reader, command.id)
    assert (view.body, view.key, view.run, view.received_at) == (b'{"n": 1}', "k", command.start.id, store.clock.now())
    assert [row.id for row in reads.delivered_for(store.reader, command.start.id)] == [command.id]


def test_a_key_counts_once(store):
    """The second arrival of a key gets the first answer and starts nothing; another trigger has keys of its own."""
    store.do(announced(hook(), hook("b", "/b")))
    first, again = taking_in(store, "k"), taking_in(store, "k")
    other = taking_in(store, "k", trigger="b/webhook")
    store.do(first)
    assert store.twice(again) == DeliveryStored(first.id, _D.STARTED, first.start.id, first=False)
    assert state_of(store.do(other)) is _D.STARTED
    assert len(store.ids()) == 2


def test_one_group_may_hold_a_key_twice(store):
    """A broker that gives a message out twice within a moment starts one run."""
    first, again = taking_in(store, "k"), taking_in(store, "k")
    answers = store.do(first, again)
    assert [answer.first for answer in answers] == [True, False]
    assert store.ids() == [first.start.id]


def test_the_same_key_with_another_body_is_refused(store):
    """It is reported, and the first stays as it is."""
    first = taking_in(store, "k")
    store.do(first)
    answer = store.twice(taking_in(store, "k", body_hash="other", body=b"x"))
    assert isinstance(answer, Refused)
    assert answer.code == "other_body"
    assert first.id in answer.text
    assert listed(store) == [("k", "started")]


def test_a_refusal_counts_for_the_whole_name_of_its_automation(store):
    """Which may hold a "/"."""
    store.do(announced(hook("shop/a"), names=("shop/a",)))
    first = taking_in(store, "k", trigger="shop/a/webhook")
    store.do(first)
    store.do(taking_in(store, "k", trigger="shop/a/webhook", body_hash="other", body=b"x"))
    store.do(RejectDelivery(id="d_r", trigger="shop/a/webhook", why="signature", note="bad", body=b""))
    found = store.reader.read_text("select automation, what, n from rollup_details order by what")
    assert found == [("shop/a", "refused:other_body", 1), ("shop/a", "refused:signature", 1)]


def test_nothing_arrives_for_a_trigger_that_is_none(store):
    """Unknown, ended and retired ones take nothing in; a resumed one does again."""
    assert store.do(taking_in(store, "k", trigger="a/other")).code == "no_trigger"
    store.do(RetireAutomation("a"))
    assert store.do(taking_in(store, "k")).code == "no_trigger"
    store.do(ResumeAutomation("a"))
    assert state_of(store.do(taking_in(store, "k"))) is _D.STARTED
    store.do(announced())
    assert store.do(taking_in(store, "later")).code == "no_trigger"
    assert state_of(store.do(taking_in(store, "k"))) is _D.STARTED, "what came before is still answered"


def test_a_value_that_is_refused_is_kept_and_starts_nothing(store):
    """Whoever sent it is told the same when it comes again."""
    command = taking_in(store, "k", refused="no such field", start=None)
    answer = store.twice(command)
    assert answer == DeliveryStored(command.id, _D.REFUSED, None, first=True, note="no such field")
    again = taking_in(store, "k", refused="no such field", start=None)
    assert store.do(again) == DeliveryStored(command.id, _D.REFUSED, None, first=False, note="no such field")
    assert store.ids() == []


@pytest.mark.parametrize("body_hash", ["h", "corrected"])
def test_what_was_refused_for_its_value_counts_once_it_fits(store, body_hash):
    """New code or a corrected body: the same key starts its run, once, and what was refused stays to be seen."""
    bad = taking_in(store, "k", refused="no such field", start=None)
    store.do(bad)
    good, late = taking_in(store, "k", body_hash=body_hash), taking_in(store, "k", body_hash=body_hash)
    assert store.twice(good) == DeliveryStored(good.id, _D.STARTED, good.start.id, first=True)
    assert store.do(late) == DeliveryStored(good.id, _D.STARTED, good.start.id, first=False)
    assert listed(store) == [(f"k#{bad.id}", "refused"), ("k", "started")]
    assert reads.delivery_of_key(store.reader, HOOK, "k") == good.id
    filtered = taking_in(store, "f", refused="no such field", start=None)
    store.do(filtered)
    assert reads.delivery_of_key(store.reader, HOOK, "f") is None
    assert state_of(store.do(taking_in(store, "f", filtered=True))) is _D.RECEIVED


def test_a_full_queue_leaves_what_was_refused_as_it_was(store):
    """Busy changes nothing: the key is still there when it comes again."""
    store.do(taking_in(store, "k", refused="no such field", start=None))
    store.do(SetQueue("default", max_backlog=1))
    store.do(taking_in(store, "first"))
    assert store.do(taking_in(store, "k")).code == "busy"
    assert listed(store) == [("k", "refused"), ("first", "started")]


def refused(delivery, **options):
    values = {"trigger": HOOK, "why": "signature", "note": "it is wrong", "body": b"x", "headers": b"{}"}
    return RejectDelivery(id=delivery, **(values | options))


def test_of_what_was_refused_the_newest_are_kept(store):
    """Whoever sends rubbish does not fill the store, and takes nothing of another trigger away."""
    store.do(announced(hook(), hook("b", "/b")))
    store.do(refused("other", trigger="b/webhook"))
    for n in range(MOST_REJECTED + 20):
        command = refused(f"no{n:04}")
        assert store.twice(command) == DONE if n < 2 else store.do(command) == DONE
    rows = reads.deliveries(store.reader, trigger=HOOK, limit=1_000).deliveries
    assert [rows[0].id, rows[-1].id, len(rows)] == [f"no{MOST_REJECTED + 19:04}", "no0020", MOST_REJECTED]
    assert rows[0].verified == "signature"
    assert stands(store, "other") is _D.REFUSED


def test_what_has_a_filter_waits_for_a_worker(store):
    """It is stored and undecided; what has none is not what a worker reads."""
    store.do(taking_in(store, "k", filtered=True, start=None, id="d1"))
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
        store.do(*(taking_in(store, f"k{n}", trigger=row.name, filtered=True, start=None) for n in range(3)))
    assert store.reader.read("list_waiting_triggers", (1,)) == [(row.name,) for row in rows[1:]]


def test_a_run_that_cannot_be_started_makes_a_failed_delivery(store):
    """Its note says why, and a person may replay it."""
    assert store.do(taking_in(store, "none", start=None)).state is _D.FAILED
    store.do(RetireAutomation("b"))
    answer = store.do(taking_in(store, "k", start=store.starting("b")))
    assert (answer.state, answer.run) == (_D.FAILED, None)
    assert "retired" in answer.note


def test_busy_leaves_nothing(store):
    """A queue that is full says when to try again, and the arrival counts then."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    for pace in (FlowControl(), FlowControl.parse(throttle="1m"), FlowControl.parse(dedup="1m")):
        command = taking_in(store, "k", start=store.starting(queue="few"), pace=pace)
        answer = store.do(command)
        assert isinstance(answer, Refused)
        assert answer.code == "busy"
        assert answer.retry_after_ms > 0
        assert listed(store) == []
    store.claim()
    assert store.again(command).state is _D.STARTED


def test_a_run_key_of_the_definition_makes_one_run(store):
    """Two arrivals of one run key: the second is dropped and says which run has it."""
    one, two = (taking_in(store, key, start=store.starting(run_key=RunKey("order-1", "h"))) for key in "ab")
    store.do(one)
    answer = store.do(two)
    assert (answer.state, answer.run) == (_D.DROPPED, None)
    assert one.start.id in answer.note


@pytest.mark.parametrize(
    ("pace", "first", "second"),
    [
        (FlowControl.parse(debounce="10s"), _D.HELD, _D.HELD),
        (FlowControl.parse(throttle="10s"), _D.STARTED, _D.HELD),
        (FlowControl.parse(batch=3, within="10s"), _D.HELD, _D.HELD),
        (FlowControl.parse(dedup="10s"), _D.STARTED, _D.DROPPED),
        (FlowControl.parse(rate="1/10s"), _D.STARTED, _D.HELD),
    ],
    ids=["debounce", "throttle", "batch", "dedup", "rate"],
)
def test_each_pace_rules_in_the_commit_that_stores(store, pace, first, second):
    """Two of one key within a moment, and one of another key."""
    one, two = (taking_in(store, name, pace=pace, by="x") for name in ("one", "two"))
    other = taking_in(store, "other", pace=pace, by="y")
    assert store.twice(one).state is first
    store.clock.forward(1_000)
    assert store.twice(two).state is second
    assert store.do(other).state is first
    runs = [command.start.id for command in (one, two, other) if stands(store, command.id) is _D.STARTED]
    assert store.ids() == runs
    if pace.debounce:
        assert stands(store, one.id) is _D.DROPPED, "a newer one counts"


def test_what_is_held_is_let_go_once(store):
    """Of two routers the second finds that it was done; sent again, the first is told the same."""
    pace = FlowControl.parse(debounce="10s")
    command = taking_in(store, "k", pace=pace)
    store.do(command)
    assert store.reader.read("list_due_held_groups", (store.clock.now() + 9_999, "[]", 10)) == []
    assert store.reader.read("find_next_held_due", (store.clock.now(),)) == [(store.clock.now() + 10_000,)]
    store.clock.forward(10_000)
    assert [row[:2] for row in store.reader.read("list_due_held_groups", (store.clock.now(), "[]", 10))] == [(HOOK, "")]
    one, two = letting_go(store, pace, command.id), letting_go(store, pace, command.id)
    assert store.twice(one) == StartAnswer(one.start.id, created=True, state=RunState.QUEUED)
    assert store.do(two).code == "changed"
    assert store.ids() == [one.start.id]
    assert reads.delivery(store.reader, command.id).run == one.start.id


def test_a_newer_one_that_came_meanwhile_is_not_passed_over(store):
    """A router that read the old one of a debounce starts nothing, once a newer one counts."""
    pace = FlowControl.parse(debounce="10s")
    old, new = taking_in(store, "old", pace=pace), taking_in(store, "new", pace=pace)
    store.do(old, new)
    assert store.do(letting_go(store, pace, old.id)).code == "changed"
    assert store.do(letting_go(store, pace, new.id)).created
    assert listed(store) == [("old", "dropped"), ("new", "started")]


def test_a_debounce_that_never_rests_is_let_go_in_time(store, clock):
    """Its `within` counts from the first, although only the newest is held."""
    pace, begin = FlowControl.parse(debounce="10s", within="15s"), clock.now()
    for n in range(3):
        store.do(taking_in(store, f"k{n}", pace=pace))
        clock.forward(7_000)
    assert [tuple(row) for row in store.reader.read("list_due_held_groups", (begin + 15_000, "[]", 9))] == [
        (HOOK, "", begin + 15_000)
    ]
    store.do(letting_go(store, pace, reads.deliveries(store.reader).deliveries[0].id))
    assert store.do(taking_in(store, "next", pace=pace)).state is _D.HELD
    assert store.reader.read("find_next_held_due", (clock.now(),)) == [(clock.now() + 10_000,)]


def test_a_batch_becomes_one_run(store):
    """Each of it names the run, in the order in which they came."""
    pace = FlowControl.parse(batch=3, within="10s")
    commands = [taking_in(store, f"k{n}", pace=pace) for n in range(3)]
    answers = store.do(*commands)
    assert [answer.state for answer in answers] == [_D.HELD] * 3
    now = store.clock.now()
    assert [tuple(row) for row in store.reader.read("list_due_held_groups", (now, "[]", 10))] == [(HOOK, "", now)]
    go = letting_go(store, pace, *(command.id for command in commands))
    assert store.twice(go).created
    assert [row.id for row in reads.delivered_for(store.reader, go.start.id)] == [command.id for command in commands]


def test_a_rate_holds_back_what_is_let_go(store):
    """What would start too soon is looked at later, all of its key together."""
    pace = FlowControl.parse(rate="1/10s")
    commands = [taking_in(store, f"k{n}", pace=pace) for n in range(3)]
    assert [answer.state for answer in store.do(*commands)] == [_D.STARTED, _D.HELD, _D.HELD]
    assert store.twice(letting_go(store, pace, commands[1].id)) == DONE
    assert store.reader.read("list_due_held_groups", (store.clock.now() + 9_999, "[]", 10)) == []
    store.clock.forward(10_000)
    assert store.do(letting_go(store, pace, commands[1].id)).created
    assert store.do(letting_go(store, pace, commands[2].id)) == DONE
    assert listed(store) == [("k0", "started"), ("k1", "started"), ("k2", "held")]


def test_a_full_queue_holds_back_what_is_let_go(store):
    """It is looked at again when the queue says so, and nothing is lost."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    pace = FlowControl.parse(debounce="1s")
    command = taking_in(store, "k", pace=pace)
    store.do(command)
    store.clock.forward(1_000)
    go = letting_go(store, pace, command.id, start=store.starting(queue="few"))
    assert store.do(go) == DONE
    assert stands(store, command.id) is _D.HELD
    ((due_at,),) = store.reader.read("find_next_held_due", (store.clock.now(),))
    store.claim()
    store.clock.forward(due_at - store.clock.now())
    assert store.do(letting_go(store, pace, command.id)).created


def test_what_no_run_can_be_made_of_fails(store):
    """A group whose trigger is gone ends, with the reason."""
    pace = FlowControl.parse(debounce="1s")
    command = taking_in(store, "k", pace=pace)
    store.do(command)
    assert store.twice(letting_go(store, pace, command.id, start=None, note="its trigger no longer exists")) == DONE
    view = reads.delivery(store.reader, command.id)
    assert (view.state, view.note) == (_D.FAILED, "its trigger no longer exists")


def test_a_decision_is_made_once(store):
    """Two that decide on one delivery start one run; the second learns what became of it."""
    store.do(taking_in(store, "k", filtered=True, start=None, id="d1"))
    one, two = deciding(store, "d1"), deciding(store, "d1", _D.FILTERED, note="no")
    assert store.twice(one) == DeliveryStored("d1", _D.STARTED, one.start.id, first=True)
    assert store.do(two) == DeliveryStored("d1", _D.STARTED, one.start.id, first=False)
    assert store.ids() == [one.start.id]
    assert store.do(deciding(store, "none")).code == "changed"


@pytest.mark.parametrize("state", [_D.FILTERED, _D.DROPPED, _D.REFUSED, _D.FAILED])
def test_a_decision_may_be_no(store, state):
    """Nothing starts, and the note says why."""
    store.do(taking_in(store, "k", filtered=True, start=None, id="d1"))
    assert store.twice(deciding(store, "d1", state, note="why")) == DeliveryStored(
        "d1", state, None, first=True, note="why"
    )
    assert (store.ids(), waiting(store, HOOK, 1)) == ([], [])


def test_a_decision_waits_for_a_full_queue(store):
    """It is refused as busy and the delivery stays where it is."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    store.do(taking_in(store, "k", filtered=True, start=None, id="d1"))
    assert store.do(deciding(store, "d1", start=store.starting(queue="few"))).code == "busy"
    assert waiting(store, HOOK, 1) == ["d1"]


def test_a_decision_goes_by_the_pace(store):
    """What passed its filter is held like any other."""
    pace = FlowControl.parse(debounce="10s")
    store.do(*(taking_in(store, name, filtered=True, start=None, id=name) for name in ("d1", "d2")))
    assert store.twice(deciding(store, "d1", pace=pace)).state is _D.HELD
    assert store.do(deciding(store, "d2", pace=pace)).state is _D.HELD
    assert listed(store) == [("d1", "dropped"), ("d2", "held")]


def test_a_replay_is_a_new_delivery(store):
    """It names the old one, has its body, and is decided like one that has just come."""
    command = taking_in(store, "k")
    store.do(command)
    replayed = store.twice(ReplayDelivery("again", command.id))
    assert replayed == DeliveryStored("again", _D.RECEIVED, None, first=True)
    view = reads.delivery(store.reader, "again")
    assert (view.replay_of, view.body, view.name) == (command.id, b'{"n": 1}', "")
    assert store.do(deciding(store, "again")).state is _D.STARTED
    assert len(store.ids()) == 2
    assert store.do(ReplayDelivery("x", "none")).code == "not_found"
    store.do(RetireAutomation("a"))
    assert store.do(ReplayDelivery("x", command.id)).code == "no_trigger"


def test_what_was_turned_away_at_the_door_is_not_replayed(store):
    """What is kept of it is for people to see: it may be cut, or nothing. What was refused later was kept as it came."""
    store.do(RejectDelivery(id="d_r", trigger=HOOK, why="too_large", note="it is too large", body=b""))
    answer = store.twice(ReplayDelivery("again", "d_r"))
    assert (answer.code, "turned away" in answer.text) == ("not_kept", True)
    assert listed(store) == [("refused:d_r", "refused")]
    store.do(taking_in(store, "k", start=None, refused="it does not fit", id="d_k"))
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
    store.do(taking_in(store, "k", id="d1"))
    assert store.twice(ReleaseSourceKey(HOOK, "k")) == DONE
    assert state_of(store.do(taking_in(store, "k", id="d2"))) is _D.STARTED
    assert stands(store, "d1") is _D.STARTED
    store.do(taking_in(store, "held", pace=FlowControl.parse(debounce="1s")))
    for key in ("held", "never"):
        assert store.do(ReleaseSourceKey(HOOK, key)).code == "not_found"


def test_a_desk_says_whether_it_can_fetch(store):
    """One row for each process; it goes with its session."""
    assert store.twice(ReportConsumer(HOOK, 5, None, None)) == DONE
    assert store.do(ReportConsumer(HOOK, None, 9, "refused")) == DONE
    (desk,) = reads.consumers(store.reader)
    assert (desk.trigger, desk.connected_at, desk.away_since, desk.why) == (HOOK, None, 9, "refused")
    store.do(CloseSession())
    assert reads.consumers(store.reader) == []


def prune(before):
    return ApplyRetention(None, None, None, before, None)


def test_old_deliveries_go_and_their_keys_with_them(store, clock):
    """A key counts for seven days at least, however short events are kept."""
    store.do(taking_in(store, "k"))
    clock.forward(7 * DAY)
    store.do(prune(clock.now()))
    assert listed(store) == [("k", "started")]
    clock.forward(1)
    store.do(prune(clock.now()))
    assert listed(store) == []
    assert store.do(taking_in(store, "k")).first


def test_what_is_undecided_stays(store, clock):
    """So does the event that it tells of."""
    store.do(announced(hook(), on_event()))
    store.do(event(id="e1", keep_until=clock.now() + 1))
    store.do(event("other", id="e2", keep_until=clock.now() + 1))
    store.do(taking_in(store, "held", pace=FlowControl.parse(debounce="99d")))
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
    pace = FlowControl.parse(dedup="30d")
    store.do(taking_in(store, "one", pace=pace))
    clock.forward(29 * DAY)
    store.do(prune(clock.now()))
    assert store.do(taking_in(store, "two", pace=pace)).state is _D.DROPPED
    clock.forward(2 * DAY)
    store.do(prune(clock.now()))
    assert store.reader.read_text("select * from flow_control") == []


def test_a_pace_takes_no_more_than_it_can_hold(store, monkeypatch):
    """Whoever sends is told to wait, and nothing is stored."""
    monkeypatch.setattr(paces, "_MOST_HELD", 2)
    pace = FlowControl.parse(batch=100)
    store.do(*(taking_in(store, f"k{n}", pace=pace) for n in range(2)))
    answer = store.do(taking_in(store, "more", pace=pace))
    assert (answer.code, answer.retry_after_ms > 0) == ("busy", True)
    assert len(listed(store)) == 2


def test_commands_travel(store):
    """What a door sends is data: it can be written and read."""
    command = taking_in(store, "k", pace=FlowControl.parse(rate="1/s"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=type(command)) == command
