"""The ports of Celery's samples, on each store, through a `kill -9` of the worker."""

import pytest

from examples.ports.celery import add, canvas, countdown, import_rows, retry_request
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("canvas:square@2", "import_rows:write_row@4")


@pytest.mark.slow
def test_samples_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed within a chord and a long task, while a start is due later: each effect counts once, and each run ends."""
    app = world.app
    chord = app.start_sync(canvas.canvas, [1, 2, 3])
    imported = app.start_sync(import_rows.import_rows, 8)
    world.start_worker("celery", *HANGING)
    world.wait_for_hangs(*HANGING)
    late = countdown.greet_later(app, "ana", 1.0)
    world.wait_until(lambda: "report" in world.read_ledger(), "the periodic task")
    world.kill_worker()

    reports = world.read_ledger().count("report")
    added = app.start_sync(add.add, 2, 3)
    requested = app.start_sync(retry_request.retry_request, "https://example.com")
    world.start_worker("celery")
    assert chord.result_sync(TIMEOUT_S) == 7.0
    assert imported.result_sync(TIMEOUT_S) == 3  # the fourth row had no checkpoint yet
    assert late.result_sync(TIMEOUT_S) == "hello ana"
    assert added.result_sync(TIMEOUT_S) == 5
    assert requested.result_sync(TIMEOUT_S) == "https://example.com after 3 attempts"
    world.wait_until(lambda: world.read_ledger().count("report") > reports, "the next time of the periodic task")

    assert world.count_calls("row 3") == 2
    assert world.count_calls("row 2") == 1
    ledger = world.read_ledger()
    assert sorted(line for line in ledger if line[:6] in ("square", "total ", "greet ")) == [
        *("greet ana", "square 1", "square 2", "square 3", "total of 3"),
    ]
