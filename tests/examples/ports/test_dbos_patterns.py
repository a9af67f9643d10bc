"""More ports of DBOS's samples: rates, debounce, published states, streams, forks and pauses, through a `kill -9` of the worker."""

import asyncio

import pytest

import mainspring as ms
from examples.ports.dbos import (
    debouncer,
    fork_workflow,
    order_status,
    pause_workflow,
    rate_limited_queue,
    token_stream,
)
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("token_stream:answer", "order_status:pack")


@pytest.mark.slow
def test_patterns_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed after effects whose results are not saved: each effect counts once, and each run ends."""
    app = world.app
    order = app.start_sync(order_status.order_status, 7)
    tokens = app.start_sync(token_stream.token_stream, "rain")
    moved = app.start_sync(pause_workflow.migrate_users, 6)
    billed = app.start_sync(fork_workflow.monthly_bill, "2026-03")
    pages = [app.start_sync(debouncer.index_page, "home", text) for text in ("one", "two", "three")]
    calls = [app.start_sync(rate_limited_queue.model_call, f"p{number}") for number in range(4)]
    world.start_worker("dbos", *HANGING)
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(moved)
    assert billed.result_sync(TIMEOUT_S) == "2026-03: 41"
    app.pause_sync(moved.id, "a maintenance")
    world.kill_worker()

    moved.signal_sync("go")
    order.signal_sync("picked-up")
    (world.folder / "rule.txt").write_text("1")
    forked = app.fork_sync(billed.id, "print_bill")
    world.start_worker("dbos")
    assert order.result_sync(TIMEOUT_S) == "parcel 7"
    assert asyncio.run(order.published()) == {"order": 7, "state": "on its way"}
    assert tokens.result_sync(TIMEOUT_S) == 3
    assert [record.value for record in tokens.stream_sync("tokens")][-3:] == ["because", "of", "rain"]
    assert forked.result_sync(TIMEOUT_S) == "2026-03: 42"
    assert [page.id for page in pages] == [pages[0].id] * 3
    assert pages[0].result_sync(TIMEOUT_S) == "three"
    assert [call.result_sync(TIMEOUT_S) for call in calls] == ["P0", "P1", "P2", "P3"]
    assert moved.status_sync() is ms.RunState.PAUSED
    app.resume_sync(moved.id)
    assert moved.result_sync(TIMEOUT_S) == 6

    ledger = world.read_ledger()
    assert world.count_calls("pack 7") == world.count_calls("answer rain") == 2
    assert ledger.count("pack 7") == ledger.count("answer rain") == ledger.count("collect 2026-03") == 1
    assert [line for line in ledger if line.startswith("migrate")] == [f"migrate {user}" for user in range(6)]
    assert [line for line in ledger if line.startswith("index")] == ["index home: three"]
