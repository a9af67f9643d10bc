"""Bulk acts by the API: asked for once, looked at and moved by those who see all that they are about."""

import pytest

from mainspring.service.bulk_operation import run_next_piece
from tests.api_world import BACKUP, own
from tests.unit.web.api.endpoints.runs.test_failed_runs import fall
from tests.unit.web.dashboard.shop import Shop


@pytest.mark.asyncio
async def test_operation_is_counted_then_requested_once(world):
    """A dry run counts; under one key it is one act, also when nothing fits any more."""
    runs = fall(world, 3)
    dry = await world.post("/bulk", verb="retry", name="pay", dry_run=True)
    assert dry == {"bulk": None, "count": 3, "more": False, "automations": ["pay"], "left_out": 0}
    started = await world.post("/bulk", key="k1", verb="retry", name="pay", rate="1000/s", reason="mended")
    assert (started["bulk"], started["count"]) == (own("k1"), 3)
    assert run_next_piece(world.store)
    again = await world.post("/bulk", key="k1", verb="retry", name="pay", rate="1000/s", reason="mended")
    assert (again["bulk"], again["count"]) == (own("k1"), 3)
    page = await world.get(f"/bulk/{own('k1')}")
    assert (page["state"], page["done"], page["reason"], page["which"]) == ("done", 3, "mended", {"name": "pay"})
    parts = (await world.get(f"/bulk/{own('k1')}/parts", limit=2))["items"]
    assert parts == [{"id": run, "is_done": True, "why": None, "repeat": None} for run in sorted(runs)[:2]]
    assert [operation["id"] for operation in (await world.get("/bulk"))["items"]] == [own("k1")]


@pytest.mark.asyncio
async def test_key_of_another_operation_is_refused(world):
    """What was retried under a key is not told as cancelled under it; nor does who must not see an act hear that it continues."""
    fall(world, 1)
    fall(world, 1, BACKUP)
    await world.post("/bulk", key="k1", verb="retry")
    again = {"path": "/bulk", "headers": {"Idempotency-Key": "k1"}}
    answer = await world.ask("POST", **again, json={"verb": "discard", "state": ["failed"]})
    assert answer.status_code == 409, answer.text
    assert (await world.ask("POST", **again, json={"verb": "retry"})).status_code == 200
    other_answer = await world.ask("POST", **again, who="payer", json={"verb": "retry"})
    assert other_answer.json()["bulk"] == own("k1", "payer")  # an act of their own


@pytest.mark.asyncio
async def test_invalid_requests_are_refused(world):
    """Nothing fits, a rate that is none, a limit beyond all."""
    for body, status in (({}, 422), ({"rate": "often"}, 422), ({"limit": 0}, 400), ({"verb": "burn"}, 400)):
        answer = await world.ask("POST", "/bulk", json={"verb": "discard"} | body)
        assert answer.status_code == status, (body, answer.text)
    fall(world, 1)
    for is_dry in (True, False):  # its next piece would be due when no calendar has a day, and no list could show it
        request = {"verb": "retry", "rate": "1/9999999d", "dry_run": is_dry}
        assert (await world.ask("POST", "/bulk", json=request)).status_code == 422
    assert (await world.get("/bulk"))["items"] == []


@pytest.mark.asyncio
async def test_operation_is_paused_resumed_and_stopped(world):
    """Each once; it stands in the audit log."""
    fall(world, 1)
    await world.post("/bulk", key="k1", verb="discard", state=["failed"])
    for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        await world.post(f"/bulk/{own('k1')}/{verb}")
        assert (await world.get(f"/bulk/{own('k1')}"))["state"] == state
    assert (await world.ask("POST", f"/bulk/{own('k1')}/stop", json={})).status_code == 409
    assert (await world.ask("POST", "/bulk/nope/stop", json={})).status_code == 404
    operations = [(row.verb, row.subject) for row in world.site.reads.audit_rows(limit=4)]
    assert operations[1:] == [(verb, f"bulk:{own('k1')}") for verb in ("stop", "resume", "pause")]


@pytest.mark.asyncio
async def test_visitor_of_some_automations_reaches_their_operations_only(world):
    """What it asks for means what it sees; an act on others too is not there for it."""
    fall(world, 2)
    fall(world, 1, BACKUP)
    started = await world.post("/bulk", key="mine", who="payer", verb="retry")
    assert (started["count"], started["automations"]) == (2, ["pay"])
    await world.post("/bulk", key="all", verb="retry")
    assert [operation["id"] for operation in (await world.get("/bulk", who="payer"))["items"]] == [own("mine", "payer")]
    for path in (f"/bulk/{own('all')}", f"/bulk/{own('all')}/parts"):
        assert (await world.ask("GET", path, who="payer")).status_code == 404
    assert (await world.ask("POST", f"/bulk/{own('all')}/pause", who="payer", json={})).status_code == 404
    assert (await world.ask("POST", "/bulk", who="payer", json={"verb": "retry", "name": "backup"})).status_code == 422


@pytest.mark.asyncio
async def test_all_runs_of_a_filter_are_cancelled(world):
    """By state, queue and span; what has ended is not among them, and each is asked to stop once."""
    fall(world, 1)
    waiting = [world.begin() for _ in range(2)]
    world.begin(BACKUP, b"{}")
    expected = {"verb": "cancel", "name": "pay", "queue": "default", "state": ["queued", "running"]}
    assert (await world.post("/bulk", **expected, dry_run=True))["count"] == 2
    assert (await world.post("/bulk", **expected, until="2001-01-01T00:00:00Z", dry_run=True))["count"] == 0
    assert (await world.post("/bulk", verb="cancel", ended_since="2001-01-01T00:00:00Z", dry_run=True))["count"] == 0
    await world.post("/bulk", key="stop", **expected)
    assert run_next_piece(world.store)
    page = await world.get(f"/bulk/{own('stop')}")
    assert (page["verb"], page["done"], page["which"]["queue"]) == ("cancel", 2, "default")
    states = {run["id"]: run["state"] for run in (await world.get("/runs", name="pay"))["items"]}
    assert {states[run] for run in waiting} == {"cancelled"}
    assert [run["state"] for run in (await world.get("/runs", name="backup"))["items"]] == ["queued"]
    answer = await world.ask("POST", "/bulk", json={"verb": "replay"})
    assert answer.status_code == 400


@pytest.mark.asyncio
async def test_all_deliveries_of_a_filter_arrive_once_more(world):
    """Counted first, asked for once, on record; what was rejected is left out; who sees some asks for those."""
    shop = Shop(world)
    ids = [shop.arrive(f"k{n}") for n in range(3)]
    shop.reject()
    expected = {"trigger": "shop/webhook", "state": "started", "verified": "github"}
    dry = await world.post("/deliveries/replay", **expected, dry_run=True)
    assert dry == {"bulk": None, "count": 3, "more": False, "automations": ["shop"], "left_out": 0}
    assert (await world.post("/deliveries/replay", trigger="shop/webhook", dry_run=True))["left_out"] == 1
    for _ in range(2):
        started = await world.post("/deliveries/replay", key="again", **expected, rate="100/s", reason="mended")
        assert (started["bulk"], started["count"]) == (own("again"), 3)
    assert [part["repeat"] for part in (await world.get(f"/bulk/{own('again')}/parts"))["items"]] == [None] * 3
    assert run_next_piece(world.store)
    page = await world.get(f"/bulk/{own('again')}")
    assert (page["state"], page["done"], page["which"]) == ("done", 3, expected)
    found = (await world.get("/deliveries", trigger="shop/webhook", state="received"))["items"]
    assert sorted(item["replay_of"] for item in found) == sorted(ids)
    parts = (await world.get(f"/bulk/{own('again')}/parts"))["items"]
    assert {part["repeat"]: part["id"] for part in parts} == {item["id"]: item["replay_of"] for item in found}
    assert (await world.post("/deliveries/replay", **expected, dry_run=True))["count"] == 0
    answer = await world.ask("POST", "/deliveries/replay", who="payer", json={"dry_run": True})
    assert answer.json()["count"] == 0
    assert (await world.ask("POST", "/deliveries/replay", who="payer", json=expected)).status_code == 422
    assert (await world.get("/deliveries", verified="bad_signature"))["items"][0]["state"] == "refused"
