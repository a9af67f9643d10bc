"""Updates of runs by the API: sent once, read with their reply."""

import asyncio

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.runs.journal import FactKind
from tests.api_world import announce, own
from tests.contract.store.test_updates import accept, reply

CART = Definition(kind=DefinitionKind.WORKFLOW, name="cart", options={}, parameters={"properties": {"owner": {}}})

pytestmark = pytest.mark.asyncio


@pytest.fixture
def run(world):
    """A workflow that a worker has."""
    announce(world.store, CART)
    world.begin(CART, b'{"owner":"ann"}')
    (claimed,) = world.claim()
    return claimed


def answer(world, run, value: bytes) -> None:
    """Accept the update of the inbox, and reply to it."""
    facts = world.site.reads.run_history(run.id).facts
    (seq,) = (fact.seq for fact in facts if fact.kind is FactKind.UPDATE)
    world.store.apply(accept(run, 1, seq))
    world.store.apply(reply(run, 2, output=value))


async def test_update_is_sent_once_and_read_with_its_reply(world, run):
    """One request id is one update, whatever the command ids are."""
    first = await world.post(f"/runs/{run.id}/update", name="add", value=[1], id="u1", key="c1")
    assert first == {**first, "command": own("c1"), "run": run.id, "created": True, "created_run": False}
    again = await world.post(f"/runs/{run.id}/update", name="add", value=[1], id="u1")
    assert (again["update"], again["created"]) == (first["update"], False)
    conflict = await world.ask("POST", f"/runs/{run.id}/update", json={"name": "add", "value": [2], "id": "u1"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "conflict")
    path = f"/runs/{run.id}/updates/{first['update']}"
    assert (await world.get(path))["state"] == "received"
    answer(world, run, b'{"total": 1}')
    found = await world.get(path)
    assert (found["state"], found["result"], found["request_id"]) == ("done", {"total": 1}, "u1")


async def test_request_waits_for_the_reply(world, run):
    """It is answered as soon as the reply is committed."""
    sent = await world.post(f"/runs/{run.id}/update", name="add", value=1)
    waiting = asyncio.create_task(world.get(f"/runs/{run.id}/updates/{sent['update']}", wait=20))
    await asyncio.sleep(0)
    await asyncio.to_thread(answer, world, run, b"1")
    assert (await waiting)["result"] == 1


async def test_run_is_started_with_its_first_update(world, run):
    """The key finds it again."""
    body = {"input": {"owner": "bob"}, "key": "cart:bob", "update": "add", "value": 1}
    first, second = [
        (await world.ask("POST", "/automations/cart/update", json=body | {"value": value})).json() for value in (1, 2)
    ]
    assert (first["created_run"], second["created_run"], second["run"]) == (True, False, first["run"])
    facts = world.site.reads.run_history(first["run"]).facts
    assert [msgspec.json.decode(fact.payload) for fact in facts] == [1, 2]


async def test_update_of_a_hidden_run_is_missing(world, run):
    """Neither can one be sent, nor its reply be read by way of a run that the visitor sees."""
    sent = await world.post(f"/runs/{run.id}/update", name="add")
    visible = world.begin()
    for path in (f"/runs/{run.id}/updates/{sent['update']}", f"/runs/{visible}/updates/{sent['update']}"):
        assert (await world.ask("GET", path, who="payer")).status_code == 404
    refused = await world.ask("POST", f"/runs/{run.id}/update", who="payer", json={"name": "add"})
    assert refused.status_code == 404
    assert (await world.ask("GET", f"/runs/{run.id}/updates/u_none")).status_code == 404
