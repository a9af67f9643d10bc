"""One world a test session: effect server, warm template, stores of one kind; in memory where the machine has such a folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.engine.registry import Registry
from tests.crash.effects import ROOT
from tests.crash.lives import AUTOMATIONS
from tests.crash.stores import STORES
from tests.crash.trials import World

_MEMORY = Path("/dev/shm")


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
