"""How it stands is kept for a second, and no longer than until someone acts."""

import pytest

from tests.api_world import sqlite_world
from tests.counted_reads import counted


@pytest.fixture
def world(tmp_path):
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


def test_status_is_evaluated_at_most_once_a_second(world):
    """And again after it; a clock that went back keeps nothing for ever."""
    status, reads = world.site.project_status, counted(world.store.reader)
    status.of(world.site)
    once = len(reads)
    world.clock.forward(999)
    status.of(world.site)
    assert len(reads) == once
    for step in (1, -5_000):
        del reads[:]
        world.clock.forward(step)
        status.of(world.site)
        assert len(reads) == once


def test_nothing_is_read_twice_for_a_judgement(world):
    """Except what is reported by itself or grouped, deliveries of routers and filters, the clock, two words, two states of runs."""
    reads = counted(world.store.reader)
    world.site.project_status.of(world.site)
    several = {query for query in reads if reads.count(query) > 1}
    assert several <= {
        "list_open_incidents",
        "list_waiting_triggers",
        "list_received_deliveries",
        "list_clock_steps",
        "read_meta",
        "count_runs_in_state",
    }


def test_operation_during_an_evaluation_is_visible_to_the_next_request(world):
    """What was read before it counts for no one who comes after it."""
    status, reader, act = world.site.project_status, world.store.reader, True
    read = reader.read

    def reading(query, params=()):
        nonlocal act
        found = read(query, params)
        if act and query == "list_open_incidents":
            act = False
            world.open_incident()
            status.forget()
        return found

    reader.read = reading
    assert status.of(world.site).verdict.count == 0
    assert status.of(world.site).verdict.count == 1


@pytest.mark.asyncio
async def test_partial_operation_is_an_operation(world):
    """A part of it may be done, so anyone who asks next is reported now."""
    assert (await world.get("/now"))["count"] == 0
    world.open_incident()
    assert (await world.get("/now"))["count"] == 0
    assert (await world.ask("POST", "/incidents/i_none/resolve")).status_code == 404
    assert (await world.get("/now"))["count"] == 1
