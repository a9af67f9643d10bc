"""`/schedules`: all schedules are listed; a created one is paused, resumed and deleted by a press, with its reason."""

import json

import msgspec
import pytest

from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.actor import Actor, operation_context
from mainspring.service.schedule import SchedulingContext, change_schedule, create_schedule
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.read.schedules import find_created_schedule
from tests.api_world import BACKUP
from tests.unit.web.dashboard.page_world import printed_text

HOSTILE = "<script>alert(1)</script>"
PATH = "/schedules/acme%2F1"


def context(world):
    return SchedulingContext(world.store, world.store.reader, PLAIN_SEALING, {}, "UTC")


def act(world, reason=None):
    return operation_context(Actor.cli("ann", "box"), world.clock, reason=reason)


@pytest.fixture
def created(world):
    """A schedule of `pay` that a person created, and one in the code of `backup`."""
    row = ScheduleRow("backup", "backup", b'{"every":60000}', world.clock.now() + 60_000)
    backup = AutomationRow("backup", "script", 1, "f", msgspec.json.encode(BACKUP.to_data()))
    world.store.apply(AnnounceDefinitions("code-2", (backup,), (row,)))
    options, arguments = {"every": "15m", "tags": {"who": HOSTILE}}, {"amount": 5}
    create_schedule(context(world), "acme/1", "pay", options, arguments, act=act(world, HOSTILE))


@pytest.mark.asyncio
async def test_there_is_no_schedule(world):
    """The page names the command that creates one, and the page of the next days leads to it."""
    assert "mainspring schedules create NAME AUTOMATION" in await world.get("/schedules")
    assert 'href="/schedules"' in await world.get("/schedule")


@pytest.mark.asyncio
async def test_schedules_are_listed_and_displayed(world, created):
    """Both kinds with their origin; text of others does no harm, and a viewer sees neither buttons nor the history."""
    text = await world.get("/schedules")
    assert HOSTILE not in text
    rows = json.loads(await world.get("/schedules", **{"as": "json"}))
    assert [(row["name"], row["origin"], row["state"]) for row in rows] == [
        ("acme/1", "created", "active"),
        ("backup", "code", "active"),
    ]
    assert [row["name"] for row in json.loads(await world.get("/schedules", name="acme", **{"as": "json"}))] == [
        "acme/1"
    ]
    assert "No schedule matches." in await world.get("/schedules", name="none")
    text = await world.get(PATH)
    assert HOSTILE not in text
    assert "amount" in text
    assert await world.visible_to("Delete acme/1", PATH, "ana", "olga", "vic") == [True, True, False]
    assert await world.visible_to("<h2>History</h2>", PATH, "ana", "olga", "vic") == [True, True, False]
    (entry,) = json.loads(await world.get(PATH, **{"as": "json", "of": "history"}))
    assert (entry["verb"], entry["reason"]) == ("create", HOSTILE)
    await world.get(PATH, who="vic", status=404, **{"as": "json", "of": "history"})
    assert "It is in the code of its automation" in await world.get("/schedules/backup")
    assert 'value="delete"' not in await world.get("/schedules/backup")
    await world.get("/schedules/none", status=404)


@pytest.mark.asyncio
async def test_schedule_is_paused_resumed_and_deleted(world, created):
    """Each with its reason in the history; deleting leads to the list."""
    text = (await world.submit(PATH, "pause", who="olga", version="1", reason="unpaid", page="p1")).text
    assert "by web:olga: unpaid" in text
    assert find_created_schedule(world.store.reader, "acme/1").paused_at is not None
    assert 'value="pause"' not in text
    await world.submit(PATH, "resume", version="2", page="p2")
    assert find_created_schedule(world.store.reader, "acme/1").paused_at is None
    text = (await world.submit(PATH, "delete", version="3", page="p3", onward="/schedules")).text
    assert "acme/1" not in text.partition("<table")[2]
    assert find_created_schedule(world.store.reader, "acme/1") is None
    assert [operation[0] for operation in world.auth.operations() if operation[1] == "schedule:acme/1"] == [
        "delete",
        "resume",
        "pause",
        "create",
    ]


@pytest.mark.asyncio
async def test_schedule_that_was_changed_since_is_not_deleted(world, created):
    """The page that was open is of an older version; a viewer may press nothing."""
    change_schedule(context(world), "acme/1", {"every": "1h"}, None, act=act(world))
    answer = await world.submit(PATH, "delete", version="1", page="p1")
    assert answer.status_code == 409
    assert "version" in printed_text(answer.text)
    assert (await world.submit(PATH, "delete", who="vic", version="2", page="p2")).status_code == 403
    assert find_created_schedule(world.store.reader, "acme/1") is not None


@pytest.mark.asyncio
async def test_schedules_of_hidden_automations_are_not_found(world, created):
    """Someone who sees other automations only gets neither the row nor the page."""
    create_schedule(context(world), "nightly", "backup", {"every": "1h"}, {}, act=act(world))
    text = await world.get("/schedules", who="payer")
    assert "acme/1" in text
    assert "nightly" not in text
    await world.get("/schedules/nightly", who="payer", status=404)
    assert (await world.submit(PATH, "pause", who="payer", version="1", page="p1")).status_code == 200
