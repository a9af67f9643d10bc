"""What monitors judge by, shared by all who ask: it is what a new look would find, for less."""

import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.monitor_inputs import CachedMonitorInputs, read_monitor_inputs
from mainspring.config import Settings
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from tests.api_world import sqlite_world
from tests.counted_reads import counted

MONITORS = Settings().monitors
OPTIONS = {"tunings": read_tunings(MONITORS), "own": read_tuning_overrides(MONITORS)}


@pytest.fixture
def world(tmp_path):
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


def test_second_read_equals_a_fresh_one_with_fewer_reads(world):
    """Also after something came that the first had not seen; within a second it learns what was found then."""
    shared, reader = CachedMonitorInputs(), world.store.reader
    world.begin()
    reads = counted(reader)
    shared.read(reader, world.clock.now(), secrets=(), **OPTIONS)
    first = len(reads)
    world.begin()
    world.open_incident()
    world.clock.forward(1_000)
    reads.clear()
    assert shared.read(reader, world.clock.now() - 1, secrets=(), **OPTIONS).unresolved == []
    assert not reads
    again = shared.read(reader, world.clock.now(), secrets=(), **OPTIONS)
    assert len(reads) < first
    assert again == read_monitor_inputs(FactsReader(reader), reader, world.clock.now(), redact=str, **OPTIONS)
    assert [incident.id for incident in again.unresolved] == ["i_01"]


def test_reopened_store_is_read_again(world, tmp_path):
    """What is known of one store says nothing of another."""
    other = sqlite_world(tmp_path / "other")
    shared = CachedMonitorInputs()
    world.open_incident()
    assert shared.read(world.store.reader, world.clock.now(), secrets=(), **OPTIONS).unresolved
    assert not shared.read(other.store.reader, world.clock.now(), secrets=(), **OPTIONS).unresolved
    other.api.close()
    other.store.close()
