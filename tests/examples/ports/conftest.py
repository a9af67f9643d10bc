"""Fixtures of the ports: samples of a peer on each kind of store, with a worker that is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.ports.port_world import PortWorld


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PortWorld]:
    """A store and a folder with the ledger of the services outside."""
    monkeypatch.chdir(tmp_path)
    is_file = request.param == "sqlite"
    store = str(tmp_path / "state.db") if is_file else str(request.getfixturevalue("lent_store"))
    world = PortWorld(tmp_path, store)
    yield world
    world.close()
