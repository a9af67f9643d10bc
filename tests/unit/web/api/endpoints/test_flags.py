"""`/flags`: reads for viewers, changes for operators, deletion for admins, by the API."""

import pytest

from mainspring.domain.flags.flag import FlagQuestion
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.read.status.status import audit_rows
from tests.api_world import own


def hold(world, flag="checkout"):
    """Begin a run that asks for a flag, and return its id."""
    run = world.begin()
    world.store.apply(AnswerFlag(run, 0, FlagQuestion(flag, "ann", "false")))
    return run


@pytest.mark.asyncio
async def test_flag_is_created_changed_and_read(world):
    """Only stated fields change; null clears one, and a list replaces the list."""
    created = await world.post(
        "/flags/a%2Fb/set", who="olga", percent=5, allow=["ann"], when={"country": ["DE"]}, owner="shop"
    )
    assert created["is_new"]
    changed = await world.post(
        "/flags/a%2Fb/set", percent=0.01, allow=[], owner=None, expires_at="2999-03-01T00:00:00Z"
    )
    assert {(item["field"], item["before"], item["after"]) for item in changed["changes"]} == {
        ("share", "5 %", "0.01 %"),
        ("allow", "ann", "-"),
        ("owner", "shop", "-"),
        ("expires", "-", "2999-03-01"),
    }
    (flag,) = (await world.get("/flags", who="vic"))["items"]
    assert (flag["name"], flag["percent"], flag["when"], flag["value"]) == ("a/b", 0.01, {"country": ["DE"]}, True)
    assert flag["expires_at"].startswith("2999-03-01")
    detail = await world.get("/flags/a%2Fb", who="vic")
    assert (detail["flag"], detail["runs"], detail["answers"]) == (flag, [], [])
    await world.post("/flags/m/set", kind="json", value={"limit": 1}, otherwise=None)
    assert (await world.get("/flags/m"))["flag"]["value"] == {"limit": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"percent": 250}, "a share of 250"),
        ({"percent": 0.00001}, "too fine"),
        ({"value": "v2"}, "not of its type"),
        ({"value": None}, "not of its type"),
        ({"kind": "string"}, "no value"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "not in the future"),
        ({"expires_at": None, "colour": "red"}, "colour"),
        ({"kind": "number", "value": "x" * 500}, "not of its type"),
    ],
)
async def test_bad_change_is_rejected(world, body, part):
    """Nothing is created."""
    answer = await world.ask("POST", "/flags/new/set", json=body)
    assert answer.status_code in (400, 422)
    assert part in answer.text
    assert (await world.get("/flags"))["items"] == []


@pytest.mark.asyncio
async def test_kill_lists_and_cancels_the_runs_that_hold_on(world):
    """At once; a repeated request does nothing again."""
    await world.post("/flags/checkout/set", percent=100)
    run = hold(world)
    killed = await world.post("/flags/checkout/kill", who="olga", reason="errors")
    assert (killed["runs_on"], killed["runs"], killed["bulk"]) == (1, [{"run": run, "automation": "pay"}], None)
    assert (await world.get("/flags/checkout"))["flag"]["state"] == "killed"
    for _ in range(2):
        stopped = await world.post("/flags/checkout/kill", key="k1", stop_runs="cancel")
        assert stopped["bulk"] == stopped["command"] == own("k1")
    assert (await world.get(f"/bulk/{stopped['bulk']}"))["total"] == 1
    await world.post("/flags/checkout/set", killed=False)
    assert (await world.get("/flags/checkout"))["flag"]["state"] == "on"


@pytest.mark.asyncio
async def test_deletion_is_for_admins_and_spares_flags_that_runs_hold(world):
    """Unless that is stated; the history stays, and is not for viewers."""
    await world.post("/flags/checkout/set", percent=100, reason="start")
    hold(world)
    assert (await world.ask("POST", "/flags/checkout/delete", who="olga", json={"force": True})).status_code == 403
    refused = await world.ask("POST", "/flags/checkout/delete", json={})
    assert (refused.status_code, "force" in refused.text) == (409, True)
    for _ in range(2):
        await world.post("/flags/checkout/delete", key="d1", force=True)
    history = await world.get("/flags/checkout/history", who="olga", limit=1)
    assert [entry["verb"] for entry in history["items"]] == ["delete"]
    rest = await world.get("/flags/checkout/history", who="olga", cursor=history["next"])
    assert [(entry["actor"], entry["reason"]) for entry in rest["items"]] == [("api:ann", "start")]
    assert (await world.ask("GET", "/flags/checkout/history", who="vic")).status_code == 403
    assert [row.verb for row in audit_rows(world.store.reader) if row.subject == "flag:checkout"] == ["delete", "set"]


@pytest.mark.asyncio
async def test_unknown_flag_is_missing_and_the_nearest_is_named(world):
    """For each route on one flag, except the one that creates it."""
    await world.post("/flags/checkout/set")
    for method, path in (("GET", ""), ("GET", "/history"), ("POST", "/kill"), ("POST", "/delete")):
        answer = await world.ask(method, f"/flags/chekout{path}", json=None if method == "GET" else {})
        assert (answer.status_code, "Did you mean 'checkout'?" in answer.text) == (404, True), path
