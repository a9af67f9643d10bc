"""Deliveries whose filter may end anyone who asks it, on both databases."""

import pytest

from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from mainspring.store.commands.triggers import RecordFilterCall
from mainspring.triggers.delivery_rows import WaitingDelivery
from mainspring.triggers.filter_runner import BUSY, PoisonDeliveries
from tests.contract.store.deliveries import HOOK, accepting, announced, hook


@pytest.fixture
def store(store):
    store.do(announced(hook()))
    store.do(accepting(store, "k", filtered=True, start=None, id="d1"))
    return store


def deaths(store, poison=None):
    """What a process that starts now is reported, by delivery."""
    rows = [WaitingDelivery(*row) for row in store.reader.read("list_received_deliveries", (1, HOOK, 0, 100))]
    return (poison or PoisonDeliveries(store.reader)).deaths(rows)


@pytest.mark.parametrize(("end", "count"), [("dies", 1), ("closes", 0), ("lives", BUSY)])
def test_death_during_a_filter_is_counted(store, second, end, count):
    """One that ended in order is not, and what one that lives asks is left to it."""
    assert deaths(second) == {"d1": 0}
    assert store.twice(RecordFilterCall(("d1",)))
    if end == "dies":
        second.do(DeclareSessionDead(store.session))
    elif end == "closes":
        store.do(CloseSession())
    assert deaths(second) == {"d1": count}


def test_newer_delivery_is_filtered_without_probation(store):
    """Only what was there before a process, and what it has not written down itself, is looked at with care."""
    poison = PoisonDeliveries(store.reader)
    assert deaths(store, poison) == {"d1": 0}
    poison.note(["d1"])
    store.do(accepting(store, "later", filtered=True, start=None, id="d2"))
    assert deaths(store, poison) == {}
    poison.forget("d1")
    assert deaths(store, poison) == {"d1": 0}
