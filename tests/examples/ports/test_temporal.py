"""The ports of Temporal's samples, on each store, through a `kill -9` of the worker."""

import pytest

import mainspring as ms
from examples.ports.temporal import (
    expense_approval,
    greeting,
    money_transfer,
    price_polling,
    subscription,
    trip_booking,
)
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("money_transfer:deposit", "trip_booking:book_flight")


@pytest.mark.slow
def test_samples_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed while steps have an unknown outcome and other runs wait: each effect counts once, and each run ends."""
    app = world.app
    transfer = app.start_sync(money_transfer.money_transfer, "ana", "bob", 900, "T1")
    trip = app.start_sync(trip_booking.trip_booking, "T1")
    expense = app.start_sync(expense_approval.expense_approval, "E1", 12000)
    subscribed = app.start_sync(subscription.subscription, "ana", 500)
    price = app.start_sync(price_polling.price_polling, "price.txt", every=0.2)
    world.start_worker("temporal", *HANGING)
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(expense, subscribed, price)
    assert subscribed.update_sync("price", 600, type=int) == 500
    world.kill_worker()

    (world.folder / "price.txt").write_text("129")
    app.answer_sync(expense.id, "approve")
    subscribed.signal_sync("cancel")
    refused = app.start_sync(money_transfer.money_transfer, "eve", "closed", 100, "T2")
    full = app.start_sync(trip_booking.trip_booking, "T2", flight="full")
    greeted = app.start_sync(greeting.greeting, "Ana")
    world.start_worker("temporal")
    assert transfer.result_sync(TIMEOUT_S) == "W-ana-900 D-bob-900"
    assert trip.result_sync(TIMEOUT_S) == ["car-T1", "hotel-T1", "flight-T1"]
    assert expense.result_sync(TIMEOUT_S) == "approve"
    assert expense.query_sync("state") == "approve"
    assert subscribed.result_sync(TIMEOUT_S) == 1
    assert price.result_sync(TIMEOUT_S) == 129
    assert greeted.result_sync(TIMEOUT_S) == "Hello, Ana!"
    for failed, reason in ((refused, "closed is closed"), (full, "the flight is full")):
        with pytest.raises(ms.RunFailed, match=reason):
            failed.result_sync(TIMEOUT_S)

    ledger = world.read_ledger()
    assert world.count_calls("deposit 900 to bob") == 2
    assert ledger.count("withdraw 900 from ana") == ledger.count("deposit 900 to bob") == 1
    assert [line for line in ledger if "eve" in line] == ["withdraw 100 from eve", "refund 100 to eve (W-eve-100)"]
    assert [line for line in ledger if line.endswith("of T1")] == [
        f"book {kind} of T1" for kind in ("car", "hotel", "flight")
    ]
    assert [line for line in ledger if line.endswith("of T2")] == [
        *("book car of T2", "book hotel of T2", "cancel hotel of T2", "cancel car of T2"),
    ]
    assert ledger.count("pay 12000 for E1") == ledger.count("charge ana 500 for period 1") == 1
