"""The next seven days by the API: what starts, what did not start in time, each visitor its own."""

import msgspec
import pytest

from mainspring.domain.time.schedule import Schedule
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, MakeSlot, ScheduleRow
from tests.api_world import BACKUP, PAY


@pytest.fixture
def planned(world):
    """Give both automations a schedule, with a slot of each that was missed."""
    now = world.clock.now()
    rows, schedules = [], []
    for automation, cron in ((PAY, "0 3 * * *"), (BACKUP, "0 * * * *")):
        spec = Schedule.parse(cron=cron)
        data = msgspec.json.encode(spec.to_data())
        rows.append(
            AutomationRow(
                automation.name, automation.kind, automation.version, "f", msgspec.json.encode(automation.to_data())
            )
        )
        schedules.append(ScheduleRow(automation.name, automation.name, data, spec.next_after(now), spec.key))
    world.store.apply(AnnounceDefinitions("planned", tuple(rows), tuple(schedules)))
    for definition in (PAY, BACKUP):
        world.store.apply(MakeSlot(definition.name, now - 600_000, now + 60_000, "missed", None, "nobody was there"))
    return world


@pytest.mark.asyncio
async def test_days_to_come_are_reported(planned):
    """With each start and its end, of one that starts often the first ones; the hours hold them all."""
    found = await planned.get("/schedule")
    lines = {line["automation"]: line for line in found["agenda"]["lines"]}
    assert (lines["pay"]["count"], len(lines["pay"]["starts"]), found["next"]) == (7, 7, None)
    assert (lines["backup"]["count"], len(lines["backup"]["starts"])) == (168, 24)
    assert sum(found["agenda"]["hours"]) == sum(line["count"] for line in lines.values())
    assert [line["automation"] for line in (await planned.get("/schedule", name="back"))["agenda"]["lines"]] == [
        "backup"
    ]


@pytest.mark.asyncio
async def test_days_to_come_are_listed_in_pages(planned):
    """By name; `next` leads to those behind, and is nothing where there are none."""
    first = await planned.get("/schedule", limit=1)
    assert ([line["automation"] for line in first["agenda"]["lines"]], first["next"]) == (["backup"], "backup")
    second = await planned.get("/schedule", limit=1, cursor=first["next"])
    assert ([line["automation"] for line in second["agenda"]["lines"]], second["next"]) == (["pay"], None)
    assert sum(second["agenda"]["hours"]) == second["agenda"]["count"] == 7


@pytest.mark.asyncio
async def test_late_slots_are_listed(planned):
    """Of the last day."""
    found = (await planned.get("/schedule/irregular"))["items"]
    assert {(slot["schedule"], slot["verdict"]) for slot in found} == {("pay", "missed"), ("backup", "missed")}


@pytest.mark.asyncio
async def test_visitor_sees_only_its_own_slots(planned):
    """Neither names nor numbers of others."""
    found = await planned.get("/schedule", who="payer")
    assert [line["automation"] for line in found["agenda"]["lines"]] == ["pay"]
    assert sum(found["agenda"]["hours"]) == 7
    assert [slot["schedule"] for slot in (await planned.get("/schedule/irregular", who="payer"))["items"]] == ["pay"]


@pytest.mark.asyncio
async def test_workers_are_listed_by_role(world):
    """Those of another role are left out."""
    assert [worker["role"] for worker in (await world.get("/workers", role="worker"))["items"]] == ["worker"]
    assert (await world.get("/workers", role="web"))["items"] == []
