"""How it stands now and what a shift hands over, by the API: as its document says, for anyone who may see it."""

import pytest

from mainspring.domain.values.plain_json import format_iso
from mainspring.web.api.endpoints import incidents
from tests.api_world import BACKUP

pytestmark = pytest.mark.asyncio


async def test_status_matches_the_first_page(world):
    """The sentence, what is wrong, silent, running; a program that sees some automations hears of those alone."""
    world.open_incident()
    world.open_incident("backup", "i_02")
    run = world.begin()
    world.begin(BACKUP, b"{}")
    world.claim()
    found = await world.get("/now")
    assert found["count"] == 2
    assert found["sentence"].startswith("2 things need you: 2 open incidents")
    assert {incident["automation"] for incident in found["silent"]} == {"pay", "backup"}
    assert len(found["running"]) == 2
    assert {component["name"] for component in found["health"]} >= {"worker", "scheduler", "watcher", "web", "store"}
    own = await world.get("/now", who="payer")
    assert (own["count"], own["automations"], own["health"]) == (1, 1, [])
    assert [incident["id"] for incident in own["incidents"]] == ["i_01"]
    assert [item["run"]["id"] for item in own["running"]] == [run]
    assert [(strip["automation"], len(strip["runs"])) for strip in own["strips"]] == [("pay", 1)]
    assert "backup" not in str(own)


async def test_actor_sees_the_result_of_an_operation(world):
    """In all parts, though how it stands is judged at most once a second."""
    world.open_incident()
    assert (await world.get("/now"))["count"] == 1
    await world.post("/incidents/i_01/resolve")
    found = await world.get("/now")
    assert (found["count"], found["incidents"], found["silent"]) == (0, [], [])


async def test_handover_is_since_an_instant(world):
    """Eight hours where none is named; acts of programs are no acts of people."""
    world.open_incident()
    world.clock.forward(9 * 3_600_000)
    world.begin()
    await world.post("/incidents/i_01/acknowledge")
    found = await world.get("/handover")
    assert (found["opened"], [incident["id"] for incident in found["incidents"]]) == ([], ["i_01"])
    assert [(operation["verb"], operation["by"], operation["automation"]) for operation in found["acts"]] == [
        ("start", "cli:ann@box", "pay")
    ]
    longer = await world.get("/handover", since=format_iso(world.clock.now() - 10 * 3_600_000))
    assert [item["incident"]["id"] for item in longer["opened"]] == ["i_01"]


async def test_incident_is_acknowledged_for_a_time(world):
    """Until when stands there; the list can be narrowed to how loud they are."""
    world.open_incident()
    until = format_iso(world.clock.now() + 3_600_000)
    await world.post("/incidents/i_01/acknowledge", until=until)
    page = await world.get("/incidents/i_01")
    assert (page["incident"]["state"], page["incident"]["snoozed_until"]) == ("acknowledged", until)
    assert page["runs"] == page["parts"] == []
    assert [incident["id"] for incident in (await world.get("/incidents", severity="page"))["items"]] == ["i_01"]
    assert (await world.get("/incidents", severity="notify"))["items"] == []
    past = await world.ask("POST", "/incidents/i_01/acknowledge", json={"until": "2001-01-01T00:00:00Z"})
    assert past.status_code == 422


async def test_alerts_of_others_do_not_end_the_list(world, monkeypatch):
    """Who sees some automations continues behind what was looked through, and finds its own in the end."""
    monkeypatch.setattr(incidents, "_MOST", 2)
    for number, name in enumerate(("pay", "backup", "backup-2", "backup-3")):
        world.open_incident(name, f"i_{number}")
    found, cursor = [], {}
    while cursor is not None:
        page = await world.get("/alerts", who="payer", **cursor)
        found += [item["incident"] for item in page["items"]]
        cursor = page["next"] and {"cursor": page["next"]}
    assert found == ["i_0"]
