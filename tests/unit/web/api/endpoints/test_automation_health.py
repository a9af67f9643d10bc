"""How automations stand, by the API: as far as each visitor sees, part by part, and what cannot be asked is refused."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.triggers.event_sources import RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, PauseAutomation
from mainspring.web.api.table import find_route
from tests.api_world import BACKUP, PAY
from tests.counted_reads import counted


def announce(world, *names, triggers=None, **options):
    """Announce automations beside those that are there."""
    made = [Definition(kind=DefinitionKind.TASK, name=name, options=options, triggers=triggers or {}) for name in names]
    rows = [
        AutomationRow(definition.name, definition.kind, 1, "f", msgspec.json.encode(definition.to_data()))
        for definition in (PAY, BACKUP, *made)
    ]
    world.store.apply(AnnounceDefinitions("code", tuple(rows), ()))


@pytest.mark.asyncio
async def test_health_is_listed_in_pages(world):
    """Each once, in the order of their names, filtered by state too."""
    announce(world, *(f"n{n}" for n in range(5)))
    world.store.apply(PauseAutomation("n3", None, "cli:ann@box", "noisy"))
    seen, cursor = [], {}
    while True:
        part = await world.get("/automations/health", limit=2, **cursor)
        seen += [item["name"] for item in part["items"]]
        if part["next"] is None:
            break
        cursor = {"cursor": part["next"]}
    assert seen == ["backup", "n0", "n1", "n2", "n3", "n4", "pay"]
    (paused,) = (await world.get("/automations/health", state="paused"))["items"]
    assert (paused["name"], paused["why"]) == ("n3", "by cli:ann@box")
    found = await world.get("/automations/health", state=["paused", "on_demand"], limit=4)
    assert [item["name"] for item in found["items"]] == ["backup", "n0", "n1", "n2"]
    assert found["next"] == "n2"


@pytest.mark.asyncio
async def test_health_is_filtered_by_owner(world):
    """Owner, team, tag with and without a value, text of the name; retired ones when they are asked for."""
    announce(world, "mine", owner="ann", team="data", tags={"nightly": "", "tier": "1"})
    for query in ({"owner": "ann"}, {"team": "data"}, {"tag": "nightly"}, {"tag": "tier=1"}, {"name": "min"}):
        assert [automation["name"] for automation in (await world.get("/automations/health", **query))["items"]] == [
            "mine"
        ], query
    for query in ({"owner": "an"}, {"tag": "tier=2"}, {"tag": "night"}, {"name": "x"}):
        assert (await world.get("/automations/health", **query))["items"] == [], query
    await world.post("/automations/mine/retire")
    assert (await world.get("/automations/health", owner="ann"))["items"] == []
    assert len((await world.get("/automations/health", owner="ann", retired=True))["items"]) == 1
    assert len((await world.get("/automations/health", state="retired"))["items"]) == 1


@pytest.mark.asyncio
async def test_runs_are_included_on_request(world):
    """None by default: a list of fifty would be heavy."""
    ids = [world.begin() for _ in range(3)]
    assert (await world.get("/automations/health", name="pay"))["items"][0]["runs"] == []
    (line,) = (await world.get("/automations/health", name="pay", runs=2))["items"]
    assert [run["run"] for run in line["runs"]] == ids[:0:-1]


@pytest.mark.asyncio
async def test_hidden_automation_is_not_found(world):
    """Neither in lists, nor by name, nor in the graph around what it may see."""
    announce(world, "pay-more", triggers={"run": Trigger(source=RunEndSource(automation="hidden"))})
    assert [automation["name"] for automation in (await world.get("/automations/health", who="payer"))["items"]] == [
        "pay",
        "pay-more",
    ]
    assert "hidden" not in str(await world.get("/automations/health", who="payer"))
    for path in ("health", "trust", "figures", "due", "graph", "paths"):
        assert (await world.ask("GET", f"/automations/backup/{path}", who="payer")).status_code == 404, path
        assert (await world.ask("GET", f"/automations/none/{path}")).status_code == 404, path
    assert await world.get("/automations/pay-more/graph", who="payer") == {"nodes": [], "edges": [], "states": {}}
    seen = await world.get("/automations/pay-more/graph")
    assert [node["name"] for node in seen["nodes"]] == ["pay-more", "hidden"]
    assert seen["states"] == {"pay-more": "on_demand"}


@pytest.mark.asyncio
async def test_automation_has_stats(world):
    """Nothing happened yet: each answer says so."""
    world.begin()
    assert (await world.get("/automations/pay/health"))["state"] == "on_demand"
    trust = await world.get("/automations/pay/trust")
    assert (trust["now"]["ended"], trust["now"]["success_share"], trust["causes"]) == (0, None, [])
    stats = await world.get("/automations/pay/figures", days=2, hours=6)
    assert [hour["p50_ms"] for hour in stats["hours"]] in ([], [None])
    assert await world.get("/automations/pay/due") == {"next": [], "past": []}
    assert (await world.ask("GET", "/automations/pay/figures", params={"days": 1_000})).status_code == 400
    answer = await world.ask("GET", "/automations/health", params={"state": "bored"})
    assert answer.status_code == 400
    assert answer.json()["hint"].startswith("One of: on_time, ")


@pytest.mark.asyncio
async def test_open_incidents_are_read_once(world):
    """Of those with something wrong alone as well."""
    world.open_incident()
    reads = counted(world.store.reader)
    (line,) = (await world.get("/automations/health", with_open_incident="true"))["items"]
    assert (line["name"], line["incident"]["id"]) == ("pay", "i_01")
    assert reads.count("list_open_incidents") == 2


def test_automation_named_as_a_path_is_found_by_its_escaped_name():
    """A literal word of a path wins, and only an unescaped one is literal."""
    listed, encoded = find_route(b"/api/v1/automations/health"), find_route(b"/api/v1/automations/%68ealth")
    assert (listed.routes["GET"].id, listed.names) == ("automation_health.listed", {})
    assert (encoded.routes["GET"].id, encoded.names) == ("automations.shown", {"automation": "health"})
