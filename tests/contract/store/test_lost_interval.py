"""Files and messages that the store may have accepted before a backup replaced it, on both databases."""

import pytest

from mainspring.domain.integrity.lost_interval import LOST_INTERVAL_NOTE
from mainspring.domain.states import DeliveryState
from mainspring.store.commands.automations import SetMeta
from mainspring.store.commands.runs import RunKey
from mainspring.store.read.status.restore_losses import lost_interval
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT
from tests.contract.store.deliveries import accepting, announced, hook
from tests.contract.store.process import event, finish, wait_for

STARTED, FAILED = DeliveryState.STARTED, DeliveryState.FAILED


@pytest.fixture
def restored(store):
    """A store that was restored just now and is held."""
    store.do(announced(hook()))
    store.do(SetMeta(RESTORED_AT, str(store.clock.now())), SetMeta(HOLD_KEY, "1"))
    return store


def accept_delivery(store, key, **options):
    accepted = store.do(accepting(store, key, **options))
    assert (accepted.note == LOST_INTERVAL_NOTE) is (accepted.state is FAILED)
    return accepted.state


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("filtered", [True, False])
def test_file_of_before_the_restoring_is_held_also_after_the_release(restored, is_held, filtered):
    """Its last change tells; under its key it stays known, whenever it comes again."""
    now = restored.clock.now()
    if not is_held:
        restored.do(SetMeta(HOLD_KEY, None))
    restored.clock.forward(5)
    old, new = ({"was_stored": True, "happened_at": at, "filtered": filtered} for at in (now, now + 1))
    assert accept_delivery(restored, "old", **old) == FAILED
    assert accept_delivery(restored, "new", **new) == (DeliveryState.RECEIVED if filtered else STARTED)
    again = restored.do(accepting(restored, "old", **old))
    assert (again.state, again.first) == (FAILED, False)
    assert restored.ids() == ([] if is_held or filtered else [restored.list_runs().runs[0].id])


def test_files_of_one_group_are_held_each_for_itself(restored):
    """As when a folder is looked at for the first time after the restoring."""
    now = restored.clock.now()
    restored.clock.forward(5)
    deliveries = [accepting(restored, str(at), was_stored=True, happened_at=at) for at in (now - 2, now + 1, now - 1)]
    assert [delivery.state for delivery in restored.do(*deliveries)] == [FAILED, STARTED, FAILED]
    assert restored.list_runs().runs[0].id == deliveries[1].start.id
    assert len(restored.list_runs().runs) == 1


def test_message_without_a_date_is_held_until_the_release(restored):
    """No one can tell when it was published; what is sent to us just now, as a webhook, counts."""
    assert accept_delivery(restored, "undated", was_stored=True) == FAILED
    assert accept_delivery(restored, "hook") == STARTED
    restored.do(SetMeta(HOLD_KEY, None))
    assert accept_delivery(restored, "later", was_stored=True) == STARTED


def test_start_under_a_run_key_waits_for_the_release_and_then_runs(restored):
    """Nothing tells whether it repeats one of the lost interval: its sender decides, or a person who cancels it before the release."""
    restored.clock.forward(5)
    key = RunKey("order 7", "hash")
    made = restored.start(run_key=key)
    assert restored.start(run_key=key).run == made.run
    assert restored.ids() == []
    restored.do(SetMeta(HOLD_KEY, None))
    assert restored.ids() == [made.run]


def test_store_that_was_never_restored_holds_nothing(store):
    """However old a file is."""
    store.do(announced(hook()))
    assert accept_delivery(store, "old", was_stored=True, happened_at=1) == STARTED
    assert accept_delivery(store, "undated", was_stored=True) == STARTED


def test_kept_event_is_listed_while_an_unfinished_run_may_take_it_in(store):
    """A person decides on the run, and with it on the event: none that is older than the run, or later, or of a finished run."""
    clock = store.clock

    def listed():
        return [stored.id for stored in lost_interval(store.reader, 10).events]

    def publish(id):
        clock.forward(10)
        store.do(event(id=id))
        clock.forward(10)

    publish("before the run")
    run = store.begin()
    publish("kept")
    assert listed() == [], "it was never restored"
    store.do(SetMeta(RESTORED_AT, str(clock.now())), SetMeta(HOLD_KEY, "1"))
    assert listed() == ["kept"]
    publish("after the restoring")
    assert listed() == ["kept"]
    store.do(SetMeta(HOLD_KEY, None))
    store.do(wait_for(run))
    assert [fact.source for fact in store.history(run.id).facts] == ["kept"]
    store.do(finish(run))
    assert listed() == []
