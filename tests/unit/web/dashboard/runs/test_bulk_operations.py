"""`/bulk` and `/bulk/{bulk}`: how far, what was refused, pause, resume, stop."""

import json

import pytest

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.bulk_operation import run_next_piece, start_bulk_operation
from mainspring.service.runs.run_selection import RunSelection
from mainspring.store.commands.runs import DiscardRun
from mainspring.store.read.bulk_operations import read_bulk_operation
from tests.unit.web.dashboard.failed_runs import fall, fall_of_backup
from tests.unit.web.dashboard.page_world import printed_text


def ask(world, runs, id="b1", verb=BulkVerb.RETRY, automations=("pay",), reason="<b>why</b>"):
    act = operation_context(Actor.web("ana"), world.clock, command=id, reason=reason)
    return start_bulk_operation(
        world.store, verb, RunSelection(tuple(runs), automations), {"name": automations[0]}, act=act, rate=None
    )


@pytest.mark.asyncio
async def test_empty_list_teaches_the_command(world):
    """What is not there is not found."""
    assert "mainspring failed retry --error FINGERPRINT --background" in await world.get("/bulk")
    await world.get("/bulk/nope", status=404)


@pytest.mark.asyncio
async def test_progress_and_refusals_are_displayed(world):
    """In figures that lead to their runs, and as a bar; a reason is text."""
    runs = fall(world, 2)
    ask(world, runs, verb=BulkVerb.DISCARD)
    for run in runs:
        world.store.apply(DiscardRun(run))
    fresh = await world.get("/bulk/b1")
    assert "0 of 2 runs done; 2 left." in fresh
    assert fresh.count("pending") == 2
    run_next_piece(world.store)
    text = await world.get("/bulk/b1")
    assert "0 of 2 runs done, 2 refused." in text
    assert '<rect class="refused" x="0.0" width="100.0"' in text
    assert "&lt;b&gt;why&lt;/b&gt;" in text
    assert "is settled already" in await world.get("/bulk/b1?refused=true")
    assert 'href="/bulk/b1?refused=true">2</a>' in await world.get("/bulk")
    rows = json.loads((await (await world.browser()).get("/bulk/b1?as=json")).content)
    assert [row["is_done"] for row in rows] == [False, False]


@pytest.mark.asyncio
async def test_buttons_fit_the_state_and_work_once(world):
    """Paused it can be resumed, stopped nothing more; each is reported above the page."""
    ask(world, fall(world, 2))
    paused = await world.submit("/bulk/b1", "pause", page="p1")
    assert printed_text(paused.text) == "Done: pause this bulk operation."
    assert 'value="resume"' in paused.text
    assert 'value="pause"' not in paused.text
    assert not run_next_piece(world.store)
    again = await world.submit("/bulk/b1", "pause", page="p2")
    assert (again.status_code, "is paused" in printed_text(again.text)) == (409, True)
    assert await world.visible_to('value="resume"', "/bulk/b1") == [True, False]
    await world.submit("/bulk/b1", "resume")
    assert await world.visible_to('value="pause"', "/bulk/b1") == [True, False]
    stopped = await world.submit("/bulk/b1", "stop", reason="enough")
    assert "2 left as they are" in stopped.text
    assert 'value="stop"' not in stopped.text
    assert read_bulk_operation(world.store.reader, "b1").state is BulkState.STOPPED
    assert 'value="pause"' not in stopped.text


@pytest.mark.asyncio
async def test_visitor_of_some_automations_finds_their_operations_only(world):
    """One that is about others too is not there for it."""
    ask(world, fall(world), "mine")
    ask(world, fall_of_backup(world), "both", automations=("pay", "backup"))
    text = await world.get("/bulk", who="payer")
    assert "/bulk/mine" in text
    assert "/bulk/both" not in text
    await world.get("/bulk/both", who="payer", status=404)
    assert (await world.submit("/bulk/mine", "pause", who="payer")).status_code == 200
