"""The ports of DBOS's samples, on each store, through a `kill -9` of the worker."""

import pytest

import mainspring as ms
from examples.ports.dbos import agent_inbox, document_ingestion, reminder, stock_watch, tenant_queue, widget_store
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("widget_store:dispatch", "document_ingestion:index_document@3", "tenant_queue:render")
DOCUMENTS = ["a.pdf", "bb.pdf", "ccc.pdf", "dddd.pdf", "broken.pdf"]


@pytest.mark.slow
def test_samples_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed while steps have an unknown outcome and other runs wait: each effect counts once, and each run ends."""
    app = world.app
    paid = app.start_sync(widget_store.widget_store, 7)
    paid.signal_sync("payment", "paid")
    declined = app.start_sync(widget_store.widget_store, 8)
    documents = app.start_sync(document_ingestion.document_ingestion, DOCUMENTS)
    reminded = app.start_sync(reminder.reminder, "ana", days=2 / 86_400)
    approved, refused = (app.start_sync(agent_inbox.agent_inbox, task) for task in ("ticket 7", "ticket 8"))
    world.start_worker("dbos", *HANGING)
    world.wait_until((world.folder / "ready").exists, "the start of the worker")
    reports = [app.start_sync(tenant_queue.tenant_report, "acme", request) for request in ("R1", "R2", "R1")]
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(declined, approved, refused)
    assert "mail confirmation to ana" in world.read_ledger()
    states = sorted(handle.status_sync() for handle in reports[:2])
    assert states == [ms.RunState.QUEUED, ms.RunState.RUNNING]  # one run of a tenant at a time
    world.kill_worker()

    declined.signal_sync("payment", "declined")
    app.answer_sync(approved.id, "approve")
    app.answer_sync(refused.id, "refuse")
    watches = [app.start_sync(stock_watch.stock_watch) for _ in range(2)]
    world.start_worker("dbos")
    assert paid.result_sync(TIMEOUT_S) == "dispatched"
    with pytest.raises(ms.RunFailed, match="the payment is declined"):
        declined.result_sync(TIMEOUT_S)
    assert documents.result_sync(TIMEOUT_S) == {"pages": 5 + 6 + 7 + 8, "failed": 1}
    assert reminded.result_sync(TIMEOUT_S) is None
    assert [handle.result_sync(TIMEOUT_S) for handle in (approved, refused)] == ["approve", "refuse"]
    assert [handle.result_sync(TIMEOUT_S) for handle in reports] == ["acme/R1.pdf", "acme/R2.pdf", "acme/R1.pdf"]
    assert [handle.created for handle in reports] == [True, True, False]
    assert [handle.result_sync(TIMEOUT_S) for handle in watches] == [104, 104]

    assert world.count_calls("dispatch 7") == 2  # the service got it twice, with one key
    assert sorted(world.read_ledger()) == sorted(
        [
            *("reserve widget for 7", "dispatch 7", "reserve widget for 8", "release widget of 8"),
            *(f"index {name}" for name in DOCUMENTS[:4]),
            *("mail confirmation to ana", "mail reminder to ana", "send the answer for: ticket 7"),
            *("render R1 of acme", "render R2 of acme", "alert ACME at 104"),
        ]
    )
