"""The API answers alike on every store, as its document says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.store.commands.flags import ChangeFlag
from mainspring.store.read.status.change_tokens import read_change_tokens
from mainspring.store.read.status.visible_change_tokens import read_visible_change_tokens
from mainspring.web.api.change_streams import OF_AUTOMATIONS
from mainspring.web.api.route import ApiRoute
from mainspring.web.api.table import ROUTES
from tests import rollout_world
from tests.api_world import BACKUP, PAY, ApiWorld, announce, own
from tests.contract.store.clock import FakeClock


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApiWorld]:
    clock = FakeClock()
    place = tmp_path / "s.db" if request.param == "sqlite" else request.getfixturevalue("postgres").new_store()
    store = make_store(place, clock=clock)
    store.open()
    store.open_session("worker")
    announce(store, PAY, BACKUP)
    found = ApiWorld(store, clock)
    yield found
    found.api.close()
    store.close()


def address_of(route: ApiRoute, run: str) -> str:
    names = {
        "run": run,
        "automation": "pay",
        "incident": "i_01",
        "queue": "default",
        "monitor": "silence",
        "bulk": own("b_1"),
        "error": "f",
        "flag": "mailer",
        "rollout": "1",
    }
    path = route.path
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.asyncio
async def test_everything_that_is_there_can_be_read(world):
    """Each route that looks, at something that is there: what it answers is what the document says."""
    world.open_incident()
    first, run = world.begin(), world.begin()
    await world.post("/events", name="paid", data={"n": 1})
    await world.post(f"/runs/{run}/signal", name="go", value=1)
    await world.post(f"/runs/{first}/mark-done", result=[1])
    await world.post("/bulk", key="b_1", verb="cancel", name="pay")
    world.store.apply(ChangeFlag("mailer", FlagChange(share=10)))
    rollout_world.start(world)
    for route in ROUTES:
        if route.method == "GET" and not {
            "delivery",
            "effect",
            "event",
            "file",
            "query",
            "schedule",
            "step",
            "trigger",
            "update",
        } & set(route.names):
            await world.get(address_of(route, run))
    assert (await world.get(f"/runs/{run}/diff"))["other"] == first
    assert read_change_tokens(world.site.reader, world.clock.now()).keys() >= {"runs", "locks"}
    assert (
        read_visible_change_tokens(world.site.reader, world.clock.now(), lambda name: name == "pay").keys()
        == OF_AUTOMATIONS
    )


@pytest.mark.asyncio
async def test_operation_counts_once_under_its_key(world):
    """A start, a cancel of many, a pause: sent again they are answered as before."""
    started = await world.post("/automations/pay/runs", key="s", input={"amount": 1})
    assert await world.post("/automations/pay/runs", key="s", input={"amount": 1}) == started
    cancelled = await world.post("/runs/cancel", key="c", runs=[started["run"]])
    assert await world.post("/runs/cancel", key="c", runs=[started["run"]]) == cancelled
    assert cancelled["done"] == 1
    await world.post("/queues/default/pause", key="p")
    await world.post("/queues/default/pause", key="p")
    verbs = [entry["verb"] for entry in (await world.get("/audit-log"))["items"]]
    assert verbs == ["pause", "cancel", "start"]
    assert (await world.get("/audit-log/check"))["broken_at"] is None
