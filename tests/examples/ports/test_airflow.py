"""The ports of Airflow's samples, on each store, through a `kill -9` of the worker."""

from datetime import UTC, datetime, timedelta

import pytest

from examples.ports.airflow import assets, branching, dynamic_mapping, etl, file_sensor
from tests import warm_command_line
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

HANGING = ("etl:load", "dynamic_mapping:count_lines@2", "branching:load_sample")
BY_SCHEDULE = {"total 1236.70", f"load {(datetime.now(UTC) - timedelta(days=1)).date()}"}
"""Effects that a schedule could request during the test, too."""
DAYS = ["2026-10-31", "2026-11-01", "2026-11-02"]


@pytest.mark.slow
def test_samples_survive_the_death_of_their_worker(world: PortWorld) -> None:
    """Killed while steps have an unknown outcome and a run waits for a file: each effect counts once, and each run ends."""
    app = world.app
    total = app.start_sync(etl.etl)
    mapped = app.start_sync(dynamic_mapping.dynamic_mapping, 5)
    branched = app.start_sync(branching.branching, 12)
    sensor = app.start_sync(file_sensor.file_sensor, "orders.csv", every=0.2)
    world.start_worker("airflow", *HANGING)
    world.wait_for_hangs(*HANGING)
    world.wait_for_waits(sensor)
    world.kill_worker()

    (world.folder / "orders.csv").write_text("7\n8\n")
    for producer in (assets.update_orders, assets.update_customers):
        app.options(key="2026-11-30").start_sync(producer, "2026-11-30")
    few = app.start_sync(branching.branching, 3)
    backfill = ("auto", "backfill", "daily-partition", "--from", "2026-11-01", "--to", "2026-11-04", "-y")
    env = world.env | {"MAINSPRING_STORE_URL": world.store}
    done = warm_command_line.call(backfill, cwd=world.folder, env=env, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    world.start_worker("airflow")
    assert total.result_sync(TIMEOUT_S) == 1236.7
    assert mapped.result_sync(TIMEOUT_S) == 5 * len("part-0.csv")
    assert [handle.result_sync(TIMEOUT_S) for handle in (branched, few)] == ["sample", "all"]
    assert sensor.result_sync(TIMEOUT_S) == 2
    world.wait_until(lambda: "report of both tables" in world.read_ledger(), "the run of the consumer")
    world.wait_until(lambda: f"load {DAYS[-1]}" in world.read_ledger(), "the backfill")

    assert world.count_calls("load a sample of 12") == 2  # the service got it twice, with one key
    ledger = [line for line in world.read_ledger() if line not in BY_SCHEDULE]
    assert sorted(ledger) == sorted(
        [
            *("load a sample of 12", "report sample", "load all 3", "report all", "read 2 orders"),
            *(f"count part-{number}.csv" for number in range(5)),
            *("orders of 2026-11-30", "customers of 2026-11-30", "report of both tables"),
            *(f"load {day}" for day in DAYS),
        ]
    )
