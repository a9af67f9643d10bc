"""The router neither looks for ever nor lets anything starve: on a clock that only the test moves."""

import msgspec
import pytest

from mainspring.domain.errors import StoreError
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.values.sealing import Sealing
from mainspring.store.commands.automations import RetireAutomation, SetQueue
from mainspring.store.commands.runs import RunKey, StartRun
from mainspring.store.read import triggers
from tests.contract.store.process import finish
from tests.unit.triggers.routing import Bench, on_event
from tests.unit.triggers.unreliable_codec import Moody

_D = DeliveryState
LATER = b'{"source": {"type": "comet", "name": "e"}}'
"""A trigger of a kind that only a later version knows."""


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_router_with_nothing_to_do_rests(bench):
    """It looks again after a few seconds, whatever it was reported or not."""
    bench.announce(("a/event", on_event()))
    bench.poll()
    bench.loop.pass_time(60_000)
    assert bench.polls <= 15


def test_everything_is_decided_in_a_few_polls(bench):
    """More than one look takes, and no look more than is needed."""
    bench.announce(("a/event", on_event()))
    bench.publish(1_200)
    bench.poll()
    assert bench.in_state(_D.STARTED) == 1_200
    assert bench.polls <= 4


def test_held_ones_are_released_when_they_are_due(bench):
    """Not before, and at once."""
    bench.announce(("a/event", on_event(pace=FlowControl.parse(debounce="2s"))))
    bench.publish(3)
    bench.poll()
    assert bench.states() == ["dropped", "dropped", "held"]
    bench.loop.pass_time(1_999)
    assert bench.in_state(_D.STARTED) == 0
    bench.loop.pass_time(2)
    assert bench.in_state(_D.STARTED) == 1
    assert bench.polls < 10


def test_rate_wakes_it_once_a_start(bench):
    """Ten that start one a second need some looks a second, not thousands."""
    bench.announce(("a/event", on_event(pace=FlowControl.parse(rate="1/s"))))
    bench.publish(10)
    bench.poll()
    bench.loop.pass_time(9_500)
    assert bench.in_state(_D.STARTED) == 10
    assert bench.polls < 50


def test_full_queue_is_polled_now_and_then(bench):
    """However often the store changes; what is of another trigger continues, and what waited starts in the end."""
    bench.announce(("a/event", on_event()), queue="few")
    bench.process.do(SetQueue("few", max_backlog=1))
    bench.process.do(started("x", queue="few"))
    bench.publish(30)
    bench.poll()
    submitted = len(bench.states())
    before = bench.polls
    bench.loop.pass_time(900)
    assert bench.polls - before <= 2
    for _ in range(50):
        bench.poll()
    assert (bench.in_state(_D.RECEIVED), submitted) == (30, 30)
    bench.process.do(SetQueue("few", max_backlog=None))
    bench.loop.pass_time(6_000)
    assert bench.in_state(_D.STARTED) == 30


def started(run, **options):
    values = {"kind": "task", "version": 1, "input": b"[]", "codec": "json", "trigger": "test", "automation": "a"}
    return StartRun(id=run, **(values | options))


def test_trigger_of_another_version_starves_no_one(bench):
    """A thousand that came before wait, undecided, without a look that is not needed; what can be read starts."""
    bench.announce(("a/event", LATER), ("b/event", on_event()))
    bench.publish(1_000)
    bench.poll()
    assert bench.in_state(_D.RECEIVED, "a/event") == 1_000
    assert bench.in_state(_D.STARTED, "b/event") == 1_000
    before = bench.polls
    bench.loop.pass_time(10_000)
    assert bench.polls - before <= 40
    bench.announce(("a/event", on_event()), ("b/event", on_event()))
    bench.loop.pass_time(6_000)
    assert bench.in_state(_D.STARTED, "a/event") == 1_000


def test_held_ones_of_another_version_are_not_lost(bench):
    """They are due, and wait for someone who knows what they are."""
    held = on_event(pace=FlowControl.parse(debounce="1s"))
    bench.announce(("a/event", held))
    bench.publish()
    bench.poll()
    bench.known._by_name.clear()
    bench.announce(("a/event", LATER))
    before = bench.polls
    bench.loop.pass_time(8_000)
    assert bench.states() == ["held"]
    assert bench.polls - before <= 6
    bench.announce(("a/event", held))
    bench.loop.pass_time(6_000)
    assert bench.states() == ["started"]


def test_delivery_that_cannot_be_opened_is_skipped(bench, caplog):
    """Of one trigger, too: what came after it is decided, and it is tried again."""
    bench.announce(("a/event", on_event(reading=EventBinding(how="data", parameter="order"))))
    bench.publish(60)
    bench.process.tamper("update events set data = x'ff00'")
    bench.publish(5)
    bench.poll()
    assert (bench.in_state(_D.RECEIVED), bench.in_state(_D.STARTED)) == (60, 5)
    before = bench.polls
    bench.loop.pass_time(4_000)
    assert bench.polls - before <= 3
    assert caplog.text.count("waits") == 1


def test_failing_store_is_polled_once_a_second(bench):
    """And what was to be decided is, once it is healthy."""
    bench.announce(("a/event", on_event()))
    bench.publish(20)
    bench.error = StoreError("the disk is full")
    bench.poll()
    before = bench.polls
    bench.loop.pass_time(5_000)
    assert bench.polls - before <= 12
    assert bench.in_state(_D.RECEIVED) == 20
    bench.error = None
    bench.loop.pass_time(2_000)
    assert bench.in_state(_D.STARTED) == 20


def test_trigger_that_is_gone_fails_what_waits_for_it(bench):
    """Received and held ones, with the reason."""
    bench.announce(("a/event", on_event()), ("b/event", on_event(pace=FlowControl.parse(debounce="1s"))))
    bench.publish()
    bench.process.do(RetireAutomation("a"))
    bench.poll()
    bench.process.do(RetireAutomation("b"))
    bench.loop.pass_time(2_000)
    assert bench.states() == ["failed", "failed"]
    assert {row.note for row in triggers.deliveries(bench.reader).deliveries} == {"its trigger no longer exists"}


def test_trigger_that_is_announced_while_it_polls_is_known(bench, monkeypatch):
    """What it reads is of triggers that were announced before, so these are read afterwards."""
    original = bench.reader.read

    def read(query, params=()):
        if query == "list_waiting_triggers" and not bench.states():
            bench.announce(("a/event", on_event()))
            bench.publish()
        return original(query, params)

    monkeypatch.setattr(bench.reader, "read", read)
    bench.poll()
    assert bench.states() == ["started"]


def gathered(bench, **options):
    """A trigger that waits for a and b; both ended for one key."""
    runs = Trigger(source=JoinedRunsSource(automations=("a", "b"), per="key"), **options)
    bench.announce(("c/runs", runs), ("a/event", on_event()), ("b/event", on_event()), queue="few")
    for automation in "ab":
        bench.process.do(finish(bench.process.begin(automation=automation, run_key=RunKey("mon", "h"))))


def test_ends_of_one_poll_start_once(bench):
    """The second knows of the first although neither was there when they were read."""
    gathered(bench)
    bench.poll()
    assert bench.states("c/runs") == ["started", "started"]
    assert bench.polls <= 3
    (run,) = {row.run for row in triggers.deliveries(bench.reader, trigger="c/runs").deliveries}
    assert bench.process.run(run).run_key == "mon"


def test_complete_ones_wait_for_a_full_queue(bench):
    """Without being asked for ever."""
    bench.process.do(SetQueue("few", max_backlog=1))
    gathered(bench)
    bench.process.do(started("x", queue="few"))
    bench.poll()
    assert bench.states("c/runs") == ["held", "held"]
    before = bench.polls
    bench.loop.pass_time(900)
    assert bench.polls - before <= 2
    bench.process.do(SetQueue("few", max_backlog=None))
    bench.loop.pass_time(6_000)
    assert bench.states("c/runs") == ["started", "started"]


def test_start_that_cannot_be_made_keeps_nothing_else_from_its_turn(bench):
    """It fails with the reason."""
    gathered(bench, partition="{data.none}")
    bench.publish()
    bench.poll()
    assert bench.states("c/runs") == ["failed", "failed"]
    assert bench.in_state(_D.STARTED) == 2


def test_commands_are_values(bench):
    """What a look finds can be written down."""
    bench.announce(("a/event", on_event()))
    bench.publish()
    (command,) = bench.router._read(bench.clock.now(), {}).commands
    assert msgspec.json.decode(msgspec.json.encode(command), type=type(command)) == command


@pytest.fixture
def sealed(tmp_path):
    codec = Moody()
    made = Bench(tmp_path, Sealing(codec))
    yield made, codec
    made.close()


def test_codec_that_fails_for_a_while_costs_no_delivery(sealed, caplog):
    """What arrived, what is held and what was gathered wait for it, and start then; no one is to blame for a key service."""
    bench, codec = sealed
    bench.announce(
        ("now/event", on_event()),
        ("later/event", on_event(pace=FlowControl(debounce=1_000))),
    )
    gathered(bench)
    bench.publish()
    bench.poll()
    bench.loop.pass_time(3_000)
    assert bench.states("now/event") == ["received"]
    assert set(bench.states("later/event")) == {"received"}
    assert bench.states("c/runs") == ["held", "held"]
    waiting = ["a/event", "b/event", "c/runs", "later/event", "now/event"]
    assert sorted(line.split(" for ")[1].split()[0] for line in caplog.messages) == waiting
    codec.is_unreachable = False
    bench.loop.pass_time(12_000)
    assert bench.states("now/event") == ["started"]
    assert bench.states("later/event") == ["started"]
    assert bench.states("c/runs") == ["started", "started"]


def test_second_outage_is_reported_as_the_first_was(sealed, caplog):
    """Each once, however long it lasts."""
    bench, codec = sealed
    bench.announce(("now/event", on_event()))
    for outage in (1, 2):
        codec.is_unreachable = True
        bench.publish()
        bench.poll()
        bench.loop.pass_time(60_000)
        assert bench.states("now/event").count("received") == 1
        assert len(caplog.messages) == outage
        codec.is_unreachable = False
        bench.loop.pass_time(12_000)
        assert bench.states("now/event") == ["started"] * outage


def test_codec_that_fails_when_a_held_one_is_due_leaves_it_held(sealed):
    """It was held while the codec worked; its time comes while it does not."""
    bench, codec = sealed
    codec.is_unreachable = False
    bench.announce(("later/event", on_event(pace=FlowControl(debounce=1_000))))
    bench.publish()
    bench.poll()
    assert bench.states() == ["held"]
    codec.is_unreachable = True
    before = bench.polls
    bench.loop.pass_time(4_000)
    assert bench.states() == ["held"]
    assert bench.polls - before <= 8
    codec.is_unreachable = False
    bench.loop.pass_time(12_000)
    assert bench.states() == ["started"]
