"""The ports of Prefect's samples, on each store, through a `kill -9` of the worker."""

import pytest

import mainspring as ms
from examples.ports.prefect import (
    cached_model,
    concurrency_limits,
    pause_for_input,
    repo_stars,
    subflows,
    transactions,
)
from mainspring.domain.errors import ValueRefusedError
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("subflows:load", "transactions:write_file")


@pytest.mark.slow
def test_samples_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed while steps have an unknown outcome and a run waits for a form: each effect counts once, and each run ends."""
    app = world.app
    parent = app.start_sync(subflows.load_regions, ["eu", "us", "asia"])
    released = app.start_sync(transactions.release, 7)
    damaged = app.start_sync(transactions.release, 8, check="fails")
    paused = app.start_sync(pause_for_input.pause_for_input)
    world.start_worker("prefect", *HANGING)
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(paused)
    with pytest.raises(ValueRefusedError):
        paused.signal_sync("form", {"name": "Ana"})
    world.kill_worker()

    paused.signal_sync("form", pause_for_input.Form("Ana", 900))
    stars = app.start_sync(repo_stars.repo_stars, ["core", "docs"])
    models = [app.start_sync(cached_model.cached_model, "2026-11") for _ in range(2)]
    limited = app.start_sync(concurrency_limits.limited_queries, 4)
    world.start_worker("prefect")
    assert parent.result_sync(TIMEOUT_S) == len("eu") + len("us") + len("asia")
    assert released.result_sync(TIMEOUT_S) == "v7.txt"
    with pytest.raises(ms.RunFailed, match="is damaged"):
        damaged.result_sync(TIMEOUT_S)
    assert paused.result_sync(TIMEOUT_S) == "booked for Ana"
    assert stars.result_sync(TIMEOUT_S) == {"core": 40, "docs": 40}
    assert [handle.result_sync(TIMEOUT_S) for handle in models] == ["model-2026-11"] * 2
    assert set(limited.result_sync(TIMEOUT_S)) <= {1, 2}

    assert world.count_calls("write v7") == 2  # the service got it twice, with one key
    assert sorted(world.read_ledger()) == sorted(
        [
            *("load eu", "load us", "load asia", "write v7", "write v8", "delete v8", "book 900 for Ana"),
            *("train on 2026-11", *(f"query {number}" for number in range(4))),
        ]
    )
