"""The worker is killed around each put into S3, and around each commit that names a blob there."""

import pytest

from mainspring.domain.values.blob import BlobPlace, day_at
from mainspring.store.commands.blobs import RecordBlobPlace
from tests.crash.experiments import Experiment, World
from tests.crash.scenarios import SCENARIOS
from tests.unit.actions.s3.s3_server import BUCKET
from tests.unit.app.test_blobs_in_s3 import server

__all__ = ["server"]
POINTS = [
    *(f"{place}:kill@{number}" for place in ("blob.before", "blob.after") for number in (1, 2, 3, 4)),
    *(f"{place}:kill@{number}" for place in ("commit.before", "commit.after") for number in (3, 5, 7)),
]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_worker_loses_no_value_in_s3(world: World, server, point: str) -> None:
    """Each step has one effect, each value that a row names is whole in the bucket, and none is beside the store."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.automation == "large_values")

    def record_place(experiment: Experiment) -> None:
        store = experiment.client.store
        address = f"s3://{BUCKET}/{experiment.folder.name}"
        first_day = day_at(store.clock.now()) + 2
        store.apply(RecordBlobPlace(BlobPlace(address, first_day, "us-east-1", server.endpoint)))

    experiment = Experiment(world, scenario, [point], before=record_place)
    experiment.go()
    assert len(experiment.lives) == 2, "no process was killed there"
    assert len(server.list_keys()) >= 4
