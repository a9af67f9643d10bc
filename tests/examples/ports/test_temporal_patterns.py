"""More ports of Temporal's samples: messages, batches, timers and changes of code, through a `kill -9` of the worker."""

from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from examples.ports.temporal import (
    cluster_manager,
    early_return,
    mutex,
    patching,
    sliding_window,
    updatable_timer,
)
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("cluster_manager:assign@2", "early_return:capture", "sliding_window:process_record@6")


@pytest.mark.slow
def test_patterns_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed within an update, after an early reply and within a batch: each effect counts once, and each run ends."""
    app = world.app
    cluster = app.start_sync(cluster_manager.cluster_manager, "c1", 4)
    timer = app.start_sync(updatable_timer.updatable_timer, 3600)
    patched = app.start_sync(patching.patching, 7)
    batch = app.start_sync(sliding_window.sliding_window, 12, page=4, window=2)
    world.start_worker("temporal", *HANGING)
    assert cluster.update_sync("assign", ("build", 2), type=list[int]) == [0, 1]
    with pytest.raises(TimeoutError):
        cluster.update_sync("assign", ("test", 1), id="two", timeout=1)
    paying, authorization = early_return.pay(app, "P1", 500)
    assert authorization == "A-P1"
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(timer, patched)
    world.kill_worker()

    timer.signal_sync("wake-at", datetime.now(UTC) - timedelta(seconds=1))
    patched.signal_sync("confirm")
    using = [app.start_sync(mutex.mutex, "disk", user) for user in ("ana", "bob", "eve")]
    world.start_worker("temporal")
    assert cluster.update_sync("assign", ("test", 1), id="two", type=list[int]) == [2]
    with pytest.raises(ms.UpdateFailed, match="1 nodes are free, 3 are needed"):
        cluster.update_sync("assign", ("deploy", 3))
    assert cluster.query_sync("free") == 1
    cluster.update_sync("shut-down")
    assert cluster.result_sync(TIMEOUT_S) == {"build": [0, 1], "test": [2]}
    assert paying.result_sync(TIMEOUT_S) == "captured A-P1"
    assert batch.result_sync(TIMEOUT_S) == 12
    assert timer.result_sync(TIMEOUT_S) == 1
    assert patched.result_sync(TIMEOUT_S) == "mail"
    assert [handle.result_sync(TIMEOUT_S) for handle in using] == ["ana", "bob", "eve"]
    with pytest.raises(ms.UpdateFailed, match="above the limit"):
        early_return.pay(app, "P2", 500_000)

    ledger = world.read_ledger()
    assert [line for line in ledger if line.startswith("assign")] == [
        "assign [0, 1] of c1 to build",
        "assign [2] of c1 to test",
    ]
    assert sorted(line for line in ledger if line.startswith("record")) == sorted(f"record {n}" for n in range(12))
    assert (ledger.count("authorize P1"), ledger.count("capture A-P1"), ledger.count("mail of 7")) == (1, 1, 1)
    assert world.count_calls("capture A-P1") == 2
    assert ledger.count("ring after 1 moves") == 1
    uses = (world.folder / "disk.use").read_text(encoding="utf-8").split("\n")[:-1]
    assert [line.split()[1] for line in uses] == ["in", "out"] * 3
