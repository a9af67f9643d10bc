"""Triggers, deliveries and events, by the API."""

import msgspec
import pytest

from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.webhooks.request_counts import REPEATED
from tests.api_world import VISITORS
from tests.unit.web.dashboard.shop import Shop


@pytest.fixture
def shop(world):
    """Automations that listen, on the API's world."""
    return Shop(world)


@pytest.mark.asyncio
async def test_triggers_report_their_state_and_deliveries(world, shop):
    """Counted by what became of it; repeats as this process answered them."""
    site = msgspec.structs.replace(
        world.site, hook_answers={("shop/webhook", REPEATED): 3, ("shop/webhook", "accepted"): 9}
    )
    world.serve(ApiApp(world.authenticator, site))
    shop.arrive()
    shop.reject()
    shop.publish()
    found = {trigger["name"]: trigger for trigger in (await world.get("/triggers"))["items"]}
    assert found.keys() == {"shop/webhook", "shop/event", "labels/queue", "labels/run"}
    hook = found["shop/webhook"]
    assert (hook["state"], hook["path"], hook["again"], hook["at_the_door"]) == ("unreachable", "/orders", 3, 1)
    assert hook["arrived"] == {"started": 1, "refused": 1}
    assert "curl" in hook["curl"]
    assert found["shop/event"]["waiting_at"] is not None
    assert found["labels/queue"]["waiting_at"] is None
    only = (await world.get("/triggers", automation="labels", state="listening"))["items"]
    assert [trigger["name"] for trigger in only] == ["labels/run"]


@pytest.mark.asyncio
async def test_trigger_is_displayed_to_those_who_see_its_automation(world, shop):
    """To others it is not there."""
    found = await world.get("/triggers/shop%2Fwebhook")
    assert (found["trigger"]["name"], found["gives"]) == ("shop/webhook", " with the data as order")
    assert (found["held"], found["gatherings"]) == ([], [])
    assert (await world.ask("GET", "/triggers/shop%2Fwebhook", who="payer")).status_code == 404
    assert (await world.get("/triggers", who="payer"))["items"] == []
    assert (await world.ask("GET", "/triggers/nope")).status_code == 404


@pytest.mark.asyncio
async def test_delivery_reports_no_proof_of_its_sender(world, shop):
    """Its signature is for anyone who checks it."""
    found = await world.get(f"/deliveries/{shop.arrive()}")
    assert found["headers"] == {"x-github-event": "push", "x-hub-signature-256": "(not shown)"}


@pytest.mark.asyncio
async def test_event_leads_to_what_it_started(world, shop):
    """One that met no condition started nothing."""
    event = shop.publish()
    found = await world.get(f"/events/{event}")
    assert (found["event"]["data"], [delivery["trigger"] for delivery in found["deliveries"]]) == (
        {"id": 7, "kind": "book"},
        ["shop/event"],
    )
    assert found["runs"] == []
    other = shop.publish(data={"id": 7, "kind": "toy"})
    assert (await world.get(f"/events/{other}"))["deliveries"] == []
    assert (await world.ask("GET", "/events/e_nope")).status_code == 404


@pytest.mark.asyncio
async def test_alerts_come_part_by_part(world):
    """The cursor of a part leads to the next one."""
    for n in range(3):
        world.open_incident(id=f"i_0{n}", automation=f"a{n}")
    first = await world.get("/alerts", limit=2)
    rest = await world.get("/alerts", limit=2, cursor=first["next"])
    assert [delivery["incident"] for delivery in first["items"] + rest["items"]] == ["i_02", "i_01", "i_00"]
    assert rest["next"] is None


@pytest.mark.asyncio
async def test_trigger_names_no_automation_that_is_not_seen(world, shop):
    """What starts one by the end of its runs is reported to those who see that too, in its definition as well."""
    world.authenticator.visitors["payer"] = msgspec.structs.replace(VISITORS["payer"], automations=("labels*",))
    paths = ("/triggers", "/triggers/labels%2Frun", "/automations/labels", "/automations")
    for path in paths:
        assert "backup" in (await world.ask("GET", path)).text, path
        answer = await world.ask("GET", path, who="payer")
        assert (answer.status_code, "backup" in answer.text) == (200, False), path
    listens = [trigger["listens_to"] for trigger in (await world.get("/triggers", who="payer"))["items"]]
    assert "a run of another automation" in listens
