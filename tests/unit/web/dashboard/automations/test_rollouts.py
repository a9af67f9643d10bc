"""`/rollouts`: rollouts on their pages; one is paused, resumed, aborted and finished by a press."""

import json

import pytest

from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.domain.clock import SystemClock
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.store.read.rollouts import find_rollout
from tests import rollout_world
from tests.api_world import sqlite_world
from tests.contract.store.clock import FakeClock
from tests.rollout_world import ALL, HALF, HOSTILE
from tests.unit.web.dashboard.page_world import OWN, PageWorld, hidden, printed_text


def state_of(world, id):
    return find_rollout(world.store.reader, id).state


@pytest.mark.asyncio
async def test_no_rollout_exists(world):
    """The page names the command that starts one."""
    assert "mainspring rollout start NAME" in await world.get("/rollouts")
    assert "No rollout matches" in await world.get("/rollouts", active="true")
    for id in ("1", "x", "0"):
        await world.get(f"/rollouts/{id}", status=404)


@pytest.mark.asyncio
async def test_rollouts_are_listed_and_displayed(world):
    """Text of others does no harm."""
    id = rollout_world.start(world, HOSTILE, reason=HOSTILE)
    other = rollout_world.start(world, "backup")
    rollout_world.move(world, "abort", "backup", reason=HOSTILE)
    rows = json.loads(await world.get("/rollouts", **{"as": "json"}))
    assert [(row["id"], row["automation"], row["state"]) for row in rows] == [
        (other, "backup", "aborted"),
        (id, HOSTILE, "running"),
    ]
    rows = json.loads(await world.get("/rollouts", active="true", **{"as": "json"}))
    assert [row["id"] for row in rows] == [id]
    for path in ("/rollouts", f"/rollouts/{id}", f"/rollouts/{other}"):
        text = await world.get(path)
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
    rows = json.loads(await world.get(f"/rollouts/{id}", **{"as": "json"}))
    assert [(row["verb"], row["actor"], row["reason"]) for row in rows] == [("start", "cli:ann@box", HOSTILE)]
    for table, number in (("steps", 2), ("sides", 2), ("metrics", 0)):
        rows = json.loads(await world.get(f"/rollouts/{id}", **{"as": "json", "of": table}))
        assert len(rows) == number


@pytest.fixture
def world_after_rollback(tmp_path):
    """The pages on a file in which the guard has rolled back the rollout 1, an hour ago."""
    before = sqlite_world(tmp_path, clock=FakeClock(SystemClock().now() - 3_600_000))
    rollout_world.start(before)
    rollout_world.end_runs(before, 60, is_failing=lambda version: version == 2)
    before.clock.forward(120_000)
    RolloutGuard(before.store).run_once()
    before.api.close()
    before.store.close()
    found = PageWorld(tmp_path / "state.db")
    yield found
    found.close()


@pytest.mark.asyncio
async def test_page_displays_both_versions_and_the_verdict(world_after_rollback):
    """With rates, intervals, e-values and limits, and the reason of the rollback."""
    world = world_after_rollback
    text = await world.get("/rollouts/1")
    for part in ("rolled back", "100 % <span", "to 100 %)</span>", "longer than the old median", "guard:rollouts"):
        assert part in text
    (failed, *_) = json.loads(await world.get("/rollouts/1", **{"as": "json", "of": "metrics"}))
    assert f">{failed['e_value']:.3g}<" in text
    assert f">{failed['limit']:,.0f}<" in text
    assert failed["new"]["bad"] == failed["new"]["runs"]
    (step, *_) = json.loads(await world.get("/rollouts/1", **{"as": "json", "of": "steps"}))
    assert step["new_failed"]["bad"] == step["new_failed"]["runs"] > 1
    assert (step["old_failed"]["bad"], step["old_failed"]["runs"]) == (0, step["old_runs"])


@pytest.mark.asyncio
async def test_rollout_is_paused_resumed_and_finished(world):
    """Only the buttons that its state allows are there."""
    id = rollout_world.start(world)
    path = f"/rollouts/{id}"
    assert 'value="resume"' not in await world.get(path)
    text = (await world.submit(path, "pause", who="olga", page="p1")).text
    assert state_of(world, id) == "paused"
    assert 'value="pause"' not in text
    await world.submit(path, "resume", page="p2")
    text = (await world.submit(path, "finish", reason="checked", page="p3")).text
    assert state_of(world, id) == "finished"
    assert "checked" in text
    assert 'name="act"' not in text


@pytest.mark.asyncio
async def test_rollout_is_started_by_a_form(world):
    """It leads to the page of the rollout. An error is shown with the typed values; a viewer has no form."""
    rollout_world.announce_candidates(world, "pay")
    assert await world.visible_to('value="start"', "/rollouts", "olga", "vic") == [True, False]
    typed = {"automation": "pay", "version": "2", "steps": "5%,50%,100%", "hold": "10m", "in_flight": "stop"}
    for field, bad, sentence in [
        ("steps", "5%,150%", "a share of 150 % is not possible"),
        ("version", "two", "is not a version. Type the number of version= in the code"),
        ("version", "7", "no worker has ever announced version 7"),
        ("automation", "pya", "pya"),
        ("hold", "long", "long"),
        ("age", "old", "old"),
        ("margin", "much", "not a share"),
        ("watch", "cost:up", "a number is worse if it is higher or lower"),
    ]:
        answer = await world.submit("/rollouts", "start", **{**typed, field: bad}, page=f"{field}{len(bad)}")
        assert answer.status_code in (404, 409), field
        assert sentence in printed_text(answer.text)
        assert answer.status_code == 404 or f'value="{bad}"' in answer.text
    answer = await world.submit("/rollouts", "start", **{**typed, "in_flight": "burn"}, page="policy")
    assert "is no policy for unfinished runs" in printed_text(answer.text)
    text = (await world.submit("/rollouts", "start", **typed, reason="new bank", page="p1", onward="/rollouts/1")).text
    assert "5 % of the keys" in text
    assert "are cancelled" in text
    assert "new bank" in text
    assert state_of(world, 1) == "running"


@pytest.mark.asyncio
async def test_abort_leads_to_the_operation_that_cancels_runs(world):
    """If the start said so."""
    id = rollout_world.start(world, steps=(ALL,), in_flight=InFlightPolicy.STOP)
    world.begin()
    browser = await world.browser()
    answer = await browser.submit(f"/rollouts/{id}", "abort", reason="broken", page="p1")
    assert answer.headers["location"].startswith("/bulk/")
    assert state_of(world, id) == "aborted"


@pytest.mark.asyncio
async def test_button_of_an_earlier_rollout_moves_nothing(world):
    """Its page was open when another rollout of the automation started."""
    first = rollout_world.start(world)
    rollout_world.move(world, "abort")
    second = rollout_world.start(world, version=3)
    browser = await world.browser()
    data = {"act": "finish", "form": hidden((await browser.get("/me")).text, "form"), "page": "p1"}
    answer = await browser.ask("POST", f"/rollouts/{first}", data=data, headers=OWN)
    assert answer.status_code == 409
    assert "moved since" in printed_text(answer.text)
    assert state_of(world, second) == "running"


@pytest.mark.asyncio
async def test_visitor_sees_and_moves_what_its_role_allows(world):
    """A viewer has no buttons and no actors; who sees some automations finds no other ones."""
    id, other = rollout_world.start(world, steps=(HALF, ALL)), rollout_world.start(world, "backup")
    path = f"/rollouts/{id}"
    for part in ('value="pause"', 'value="abort"', 'value="finish"', "cli:ann@box"):
        assert await world.visible_to(part, path, "olga", "vic") == [True, False]
    assert await world.visible_to('value="pause"', path, "payer") == [True]
    assert await world.visible_to("cli:ann@box", path, "payer") == [False]
    assert await world.visible_to(f"/rollouts/{other}", "/rollouts", "vic", "payer") == [True, False]
    await world.get(f"/rollouts/{other}", who="payer", status=404)
    await world.submit(path, "pause", who="payer", page="p1")
    assert state_of(world, id) == "paused"


@pytest.mark.asyncio
async def test_automation_links_to_its_rollout(world):
    """Its moves are marks on the chart of durations."""
    assert "/rollouts/" not in await world.get("/a/pay")
    id = rollout_world.start(world)
    rollout_world.end_runs(world, 2)
    assert f'href="/rollouts/{id}"' in await world.get("/a/pay")
    changes = json.loads(await world.get("/a/pay", **{"as": "json", "of": "changes"}))
    assert ("rollout of version 2: 50 % of the keys", True) in [(row["text"], row["own"]) for row in changes]
