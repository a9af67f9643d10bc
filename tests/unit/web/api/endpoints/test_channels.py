"""Whom incidents reach, by the API: channels, routes, a test that is reported once; the configuration with its sources."""

import msgspec
import pytest

from mainspring.config.settings import NotifySettings
from mainspring.domain.notifications.routing import read_route
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.api_asgi import ApiApp

CHANNELS = {"ops": "slack://secret:bot/#ops", "me": "terminal"}


@pytest.fixture
def world(world):
    """Two channels, one route."""
    route = read_route({"match": {"severity": "page"}, "to": ["ops"], "escalate": ["me"]})
    notify = NotifySettings(channels=CHANNELS, route=(route,))
    settings = msgspec.structs.replace(world.site.settings, notify=notify)
    world.site = msgspec.structs.replace(world.site, settings=settings)
    world.serve(ApiApp(world.authenticator, world.site))
    return world


@pytest.mark.asyncio
async def test_channels_state_what_waits_for_them(world):
    """Those of the configuration, and one that is not there any more."""
    world.open_incident()
    found = {channel["name"]: channel for channel in (await world.get("/channels"))["items"]}
    assert found.keys() == {"ops", "me", "terminal"}
    assert (found["ops"]["address"], found["ops"]["unsent"], found["ops"]["told_at"]) == (CHANNELS["ops"], 1, None)
    assert (found["me"]["unsent"], found["me"]["tried_at"]) == (0, None)


@pytest.mark.asyncio
async def test_channel_gets_a_test_message_once(world, capsys, monkeypatch):
    """By whom stands there; what it answered is on record; a secret that is not set is its answer."""
    monkeypatch.delenv("MAINSPRING_SECRET_BOT", raising=False)
    for _ in range(2):
        answer = await world.post("/channels/me/test", who="olga", key="try-1")
        assert (answer["channel"], answer["fault"]) == ("me", None)
    printed = capsys.readouterr().err
    assert printed.count("this channel works") == 1
    assert "api:olga" in printed
    answer = await world.post("/channels/ops/test")
    assert "MAINSPRING_SECRET_BOT" in answer["fault"]
    found = {channel["name"]: channel for channel in (await world.get("/channels"))["items"]}
    assert (found["me"]["tried_fault"], found["ops"]["tried_fault"]) == (None, answer["fault"])
    assert (await world.ask("POST", "/channels/nope/test", json={})).status_code == 422
    assert [(row.verb, row.subject) for row in world.site.reads.audit_rows()] == [
        ("test", "channel:ops"),
        ("test", "channel:me"),
    ]


@pytest.mark.asyncio
async def test_routes_list_their_recipients(world):
    """Each automation by its own severity; one that is named by every severity."""
    found = (await world.get("/routes"))["items"]
    assert {(alert["automation"], alert["severity"]) for alert in found} == {("pay", "notify"), ("backup", "notify")}
    part = await world.get("/routes", limit=1)
    assert ({alert["automation"] for alert in part["items"]}, part["next"]) == ({"backup"}, "backup")
    part = await world.get("/routes", limit=1, cursor="backup")
    assert ({alert["automation"] for alert in part["items"]}, part["next"]) == ({"pay"}, None)
    found = (await world.get("/routes", automation="pay", kind="too_slow"))["items"]
    assert [(alert["channel"], alert["is_escalation"]) for alert in found if alert["severity"] == "page"] == [
        ("ops", False),
        ("me", True),
    ]
    assert (await world.ask("GET", "/routes", params={"automation": "nope"})).status_code == 404


@pytest.mark.asyncio
async def test_settings_have_their_sources_and_no_secrets(world):
    """Those who look only do not see them."""
    KNOWN_SECRETS.add([CHANNELS["ops"].removeprefix("slack://")])
    found = {setting["setting"]: setting for setting in (await world.get("/settings"))["items"]}
    assert found["notify.channels.me"]["value"] == "terminal"
    assert found["project.timezone"]["source"] == "default"
    assert "secret:bot/#ops" not in str(found)
    assert (await world.ask("GET", "/settings", who="vic")).status_code == 403
