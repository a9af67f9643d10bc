"""`/targets`: hosts with limits, on the page, in its export and in the API; one is reset by a press, with a reason."""

import json

import pytest

from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.asyncio
async def test_no_host_got_a_request(world):
    """The page names the place of the limits."""
    assert "[actions.http.targets]" in await world.get("/targets")


@pytest.mark.asyncio
async def test_open_breaker_is_reset(world):
    """A viewer sees it, and an operator resets it; the name of a host does no harm."""
    limits = TargetLimits(break_after=1)
    for number, host in enumerate(("api.example.com", HOSTILE)):
        world.store.apply(EnterTarget(host, limits, str(number), 0, 60_000))
        world.store.apply(LeaveTarget(host, limits, str(number), is_ok=False))
    text = await world.get("/targets")
    assert "api.example.com" in text
    assert HOSTILE not in text
    assert await world.visible_to("Reset api.example.com", "/targets") == [True, False]
    rows = json.loads(await world.get("/targets", **{"as": "json"}))
    assert [(row["target"], row["state"], row["failures"]) for row in rows] == [
        (HOSTILE, "open", 1),
        ("api.example.com", "open", 1),
    ]
    await world.submit("/targets", "reset", target="api.example.com", reason="repaired", page="p1")
    rows = json.loads(await world.get("/targets", **{"as": "json"}))
    assert [row["target"] for row in rows] == [HOSTILE]
