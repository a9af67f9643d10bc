"""One world a test session: effect server, warm template, stores of one kind; in memory where the machine has such a folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.engine.definitions.registry import Registry
from tests.crash.effects import ROOT
from tests.crash.experiments import World
from tests.crash.lives import AUTOMATIONS
from tests.crash.scenarios import ALL
from tests.crash.stores import STORES
from tests.sampling import sample

_MEMORY = Path("/dev/shm")
_HERE = f"{Path(__file__).parent}{os.sep}"
_ONE_IN = 5
"""So many of these tests are tried on a server in `make test`: one in five. `make torture` tries all, and all are tried on a file."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave most of the tests on a server to the long tier: each kills and starts real processes, and waits for leases."""
    if ALL:
        return
    on_a_server = sorted(
        item.nodeid for item in items if "postgres" in item.nodeid and str(item.path).startswith(_HERE)
    )
    if not on_a_server:
        return
    left_out = set(on_a_server) - set(sample("crashes on a server", on_a_server, one_in=_ONE_IN))
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]


@pytest.fixture(scope="session", params=sorted(STORES))
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if not hasattr(os, "pidfd_open") or not Path("/proc/self/stat").exists():
        pytest.skip("these tests watch processes through pidfd and /proc")
    folder = Path(tempfile.mkdtemp(prefix="crash-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
    registry = Registry.load([AUTOMATIONS], ROOT)
    assert not registry.problems, registry.problems
    made = World(folder, registry, STORES[request.param])
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)
