"""Queries of runs by the API: a viewer sends them, a worker answers."""

import asyncio

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.store.commands.queries import AnswerQuery
from tests.api_world import announce

CART = Definition(kind=DefinitionKind.WORKFLOW, name="cart")

pytestmark = pytest.mark.asyncio


@pytest.fixture
def run(world):
    announce(world.store, CART)
    return world.begin(CART, b"{}")


async def test_query_is_answered_once(world, run):
    """The first answer counts; a request waits for it, and nothing is in the audit log."""
    stored = await world.post(f"/runs/{run}/query", name="total", value=1, who="vic")
    assert stored == {"query": stored["query"], "run": run}
    path = f"/runs/{run}/queries/{stored['query']}"
    assert (await world.get(path, who="vic"))["answered_at"] is None
    waiting = asyncio.create_task(world.get(path, who="vic", wait=20))
    await asyncio.sleep(0)
    for answer in (b"[5]", b"[6]"):
        await asyncio.to_thread(world.store.apply, AnswerQuery(stored["query"], answer))
    assert (await waiting)["result"] == [5]
    assert [row.verb for row in world.site.reads.audit_rows()] == ["start"]


async def test_error_of_the_code_is_the_answer(world, run):
    """With its message."""
    stored = await world.post(f"/runs/{run}/query", name="total")
    world.store.apply(AnswerQuery(stored["query"], None, Failure("ValueError", "invalid", "no")))
    assert (await world.get(f"/runs/{run}/queries/{stored['query']}"))["failure"]["message"] == "no"


async def test_query_of_a_hidden_run_is_missing(world, run):
    """A visitor can neither send one nor read its answer by way of another run."""
    stored = await world.post(f"/runs/{run}/query", name="total")
    visible = world.begin()
    for path in (f"/runs/{run}/queries/{stored['query']}", f"/runs/{visible}/queries/{stored['query']}"):
        assert (await world.ask("GET", path, who="payer")).status_code == 404
    assert (await world.ask("POST", f"/runs/{run}/query", who="payer", json={"name": "total"})).status_code == 404
    assert (await world.ask("GET", f"/runs/{run}/queries/q_none")).status_code == 404


async def test_query_that_cannot_be_answered_is_refused(world, run):
    """A task has none; too long a wait is named."""
    task = world.begin()
    refused = await world.ask("POST", f"/runs/{task}/query", json={"name": "total"})
    assert (refused.status_code, "only a workflow answers queries" in refused.text) == (409, True)
    long = await world.ask("POST", f"/runs/{run}/query", json={"name": "total", "within": "1h"})
    assert (long.status_code, "at most 5 minutes" in long.text) == (422, True)
