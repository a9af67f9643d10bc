"""Keys of triggers with a filter: held by the first delivery that passes it, by no other, no matter who asks at once."""

import pytest

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.results import DONE, DeliveryStored, Refused
from mainspring.store.commands.triggers import ReleaseSourceKey, ReplayDelivery
from mainspring.store.read import triggers
from tests.contract.store.deliveries import HOOK, accepting, announced, deciding, hook, listed, read_state, waiting

_D = DeliveryState


@pytest.fixture
def store(store):
    """A worker whose automation a has a webhook."""
    store.do(announced(hook(), hook("b", "/b")))
    return store


def arriving(store, body, key="build-1", **options):
    """A delivery that waits for its filter, whose id and body hash are `body`."""
    return accepting(store, key, filtered=True, start=None, id=f"d_{body}", body_hash=body, **options)


def passing(store, body, key="build-1", **options):
    """The verdict of a filter that says yes."""
    return deciding(store, f"d_{body}", key=key, **options)


def test_a_filtered_delivery_does_not_use_up_its_key(store):
    """Of two bodies under one key the first is filtered; the second starts its run, and each repeat gets the first answer."""
    store.do(arriving(store, "requested"))
    store.do(deciding(store, "d_requested", _D.FILTERED, note="no"))
    completed = store.twice(arriving(store, "completed"))
    assert completed == DeliveryStored("d_completed", _D.RECEIVED, None, first=True)
    command = passing(store, "completed")
    assert store.twice(command) == DeliveryStored("d_completed", _D.STARTED, command.start.id, first=True)
    assert store.ids() == [command.start.id]
    again = store.do(arriving(store, "requested"))
    assert again == DeliveryStored("d_requested", _D.FILTERED, None, first=False, note="no")
    again = store.do(arriving(store, "completed"))
    assert again == DeliveryStored("d_completed", _D.STARTED, command.start.id, first=False)
    assert store.do(arriving(store, "third")).code == "other_body"


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one group"])
def test_two_undecided_bodies_are_two_deliveries_and_the_first_that_passes_holds_the_key(store, together):
    """The other one is refused, with a note that names the first; the order of their arrival decides nothing."""
    first, second = arriving(store, "first"), arriving(store, "second")
    answers = store.do(first, second) if together else [store.do(first), store.do(second)]
    assert [answer.state for answer in answers] == [_D.RECEIVED] * 2
    assert waiting(store, HOOK, 1) == ["d_first", "d_second"]
    verdicts = passing(store, "second"), passing(store, "first")
    answers = store.do(*verdicts) if together else [store.do(verdict) for verdict in verdicts]
    assert [answer.state for answer in answers] == [_D.STARTED, _D.REFUSED]
    assert "d_second" in answers[1].note
    assert store.ids() == [verdicts[0].start.id]
    repeated = store.do(arriving(store, "first"))
    assert (repeated.code, repeated.text) == ("other_body", answers[1].note)


def test_many_bodies_and_keys_in_one_group(store):
    """Known keys and lost keys are answered one by one, all others by one statement; nothing is mixed up."""
    store.do(arriving(store, "a1", "a"), arriving(store, "b1", "b"))
    store.do(passing(store, "a1", "a"))
    answers_of_group = store.do(
        arriving(store, "a1", "a"), arriving(store, "a2", "a"), arriving(store, "b2", "b"), arriving(store, "c1", "c")
    )
    assert [(answer.state if isinstance(answer, DeliveryStored) else answer.code) for answer in answers_of_group] == [
        _D.STARTED,
        "other_body",
        _D.RECEIVED,
        _D.RECEIVED,
    ]
    decided = store.do(
        passing(store, "b2", "b"),
        passing(store, "b1", "b"),
        passing(store, "c1", "c"),
        passing(store, "a1", "a"),
    )
    assert [answer.state for answer in decided] == [_D.STARTED, _D.REFUSED, _D.STARTED, _D.STARTED]
    assert len(store.ids()) == 3


def test_a_filter_that_fails_does_not_hold_the_key(store):
    """It said nothing of its delivery: another body may still pass."""
    store.do(arriving(store, "first"), arriving(store, "second"))
    store.do(deciding(store, "d_first", _D.FAILED, note="its filter raised"))
    assert store.do(passing(store, "second")).state is _D.STARTED


def test_delivery_held_by_flow_control_holds_its_key(store):
    """A debounce decides later about the run; the key is decided now. What a full queue puts off holds nothing yet."""
    flow_control = FlowControl.parse(debounce="10s")
    store.do(arriving(store, "first"), arriving(store, "second"))
    assert store.do(passing(store, "first", pace=flow_control)).state is _D.HELD
    assert store.do(passing(store, "second", pace=flow_control)).state is _D.REFUSED
    assert listed(store) == [("build-1", "held"), ("build-1", "refused")]


def test_a_full_queue_leaves_the_key_free(store):
    """Its filter is asked again later, and may say no then."""
    store.do(SetQueue("few", max_backlog=1))
    store.start(queue="few")
    store.do(arriving(store, "first"), arriving(store, "second"))
    assert store.do(passing(store, "first", start=store.starting(queue="few"))).code == "busy"
    assert store.do(passing(store, "second")).state is _D.STARTED
    assert store.do(passing(store, "first")).state is _D.REFUSED


def test_a_replay_competes_for_no_key(store):
    """A person decides: what was refused for its key starts its run all the same."""
    store.do(arriving(store, "first"), arriving(store, "second"))
    store.do(passing(store, "first"))
    store.do(passing(store, "second"))
    assert store.do(ReplayDelivery("d_again", "d_second")).state is _D.RECEIVED
    key = triggers.delivery(store.reader, "d_again").key
    assert store.do(deciding(store, "d_again", key=key)).state is _D.STARTED
    assert read_state(store, "d_second") is _D.REFUSED


def test_delivery_refused_for_its_key_counts_once_the_key_is_free(store):
    """The holder was forgotten: the same body may come again."""
    store.do(arriving(store, "first"), arriving(store, "second"))
    store.do(passing(store, "first"))
    store.do(passing(store, "second"))
    assert store.do(ReleaseSourceKey(HOOK, "build-1")) == DONE
    command = accepting(store, "build-1", filtered=True, start=None, id="d_new", body_hash="second")
    assert store.do(command) == DeliveryStored("d_new", _D.RECEIVED, None, first=True)


def test_a_value_that_was_refused_before_there_was_a_filter_holds_no_key(store):
    """Neither at intake nor when the filter says yes."""
    store.do(accepting(store, "build-1", start=None, refused="it does not fit", id="d_misfit", body_hash="misfit"))
    assert store.do(arriving(store, "first")).state is _D.RECEIVED
    assert store.do(passing(store, "first")).state is _D.STARTED


def test_triggers_share_no_keys(store):
    """The same key of another trigger is another key."""
    store.do(arriving(store, "first"), arriving(store, "other", trigger="b/webhook"))
    store.do(passing(store, "first"))
    assert store.do(passing(store, "other", trigger="b/webhook")).state is _D.STARTED


def test_without_a_filter_the_second_body_is_refused_at_once(store):
    """As before."""
    store.do(accepting(store, "k", body_hash="one"))
    answer = store.do(accepting(store, "k", body_hash="two"))
    assert isinstance(answer, Refused)
    assert answer.code == "other_body"
