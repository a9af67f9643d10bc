"""`/automations`: empty, filled, filtered, and as far as someone may see."""

import json

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, PauseAutomation
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from tests.hostile import PAYLOADS
from tests.unit.web.dashboard.automation_world import define
from tests.unit.web.dashboard.open_incident import find_invalid


@pytest.mark.asyncio
async def test_list_has_the_state_of_each(world):
    """Word, icon and tone; its last runs as a strip, each state in its tone."""
    for state in (RunState.SUCCEEDED, RunState.FAILED):
        world.begin()
        (run,) = world.store.apply(ClaimRuns(f"c.{state}", 1)).runs
        reason = FailureReason.PERMANENT_ERROR if state is RunState.FAILED else None
        world.store.apply(FinishRun(run.id, run.claim, state, 0, reason=reason))
    world.store.apply(PauseAutomation("backup", None, "cli:ann@box", "noisy"))
    text = await world.get("/automations")
    assert '<a href="/a/pay">pay</a>' in text
    assert "…</span> learning</span>" in text
    assert "‖</span> paused</span>" in text
    assert 'aria-label="The newest 2: 1 failed, 1 succeeded; the last is failed."' in text
    assert 'class="good-fill"' in text
    assert 'class="bad-fill"' in text
    assert 'href="/runs?name=pay&amp;state=failed">50.0 %</a>' in text


@pytest.mark.asyncio
async def test_list_states_what_is_wrong_with_each(world):
    """An automation that comes in time and fails each time is not told as well; nor on its page; what is healthy can be left out."""
    define(world, "tidy")
    find_invalid(world, "pay", kind=IncidentKind.PERMANENT_ERROR)
    world.store.apply(PauseAutomation("backup", None, "cli:ann@box", "noisy"))
    find_invalid(world, "backup", "i_2", IncidentKind.TOO_SLOW)
    text = await world.get("/automations")
    for name in ("pay", "backup", "tidy"):
        assert f"/a/{name}" in text
    assert (
        '<a class="plain state bad" href="/incidents/i_1"><span class="icon" aria-hidden="true">✗</span> permanent error</a>'
        in text
    )
    assert "learning" not in text.split('/a/pay"')[1].split("</tr>")[0]
    assert "too slow</a> <span" in text  # and that it is paused: it stands so whatever else is wrong
    only = await world.get("/automations", with_open_incident="true")
    assert "/a/pay" in only
    assert "/a/tidy" not in only
    assert 'name="with_open_incident" value="true" checked' in only
    head = (await world.get("/a/pay")).partition('<div class="head">')[2].partition("</div>")[0]
    assert "permanent error" in head
    rows = json.loads(await world.get("/automations?as=json"))
    assert [(row["name"], row["failing"]) for row in rows] == [
        ("backup", "too_slow"),
        ("pay", "permanent_error"),
        ("tidy", None),
    ]


@pytest.mark.asyncio
async def test_list_is_filtered_by_what_is_in_the_link(world):
    """What was chosen stands in the form again; where none fits the page says so."""
    define(world, "tidy", owner="ann", team="data", tags={"nightly": ""})
    text = await world.get("/automations", owner="ann")
    assert "/a/tidy" in text
    assert "/a/pay" not in text
    assert 'name="owner" maxlength="200" value="ann"' in text
    assert 'href="/automations?owner=ann&amp;team=data"' in text
    define(world, "tidy", actions=("http.request", "send_report"))
    text = await world.get("/automations", action="http.request")
    assert "/a/tidy" in text
    assert "/a/pay" not in text
    assert 'name="action" maxlength="200" value="http.request"' in text
    assert 'href="/automations?action=send_report">send_report</a>' in await world.get("/a/tidy")
    text = await world.get("/automations", state="silent")
    assert '<option value="silent" selected>' in text
    assert "No automation that you may see matches" in text
    assert "state" in await world.get("/automations", state="bored", status=400)


@pytest.mark.asyncio
async def test_list_continues_behind_its_cursor(world):
    """Part by part, with the filter kept."""
    text = await world.get("/automations", limit=1)
    assert "/a/backup" in text
    assert "/a/pay" not in text
    assert 'href="/automations?limit=1&amp;cursor=backup">Older' in text
    assert "/a/pay" in await world.get("/automations", limit=1, cursor="backup")


@pytest.mark.asyncio
async def test_list_without_automations_teaches_a_command(world):
    """Nothing is retired by accident: the list of all is empty only where nothing is known."""
    for name in ("pay", "backup"):
        await world.submit(f"/a/{name}", "retire", reason="over")
    assert "mainspring add script" in await world.get("/automations")
    assert "/a/pay" in await world.get("/automations", state="retired")


@pytest.mark.asyncio
async def test_list_has_only_automations_of_the_visitor(world):
    """Neither by name, nor by what starts it, nor by a number; nor in what can be taken away."""
    define(world, "pay-more", after="backup")
    for text in (await world.get("/automations", who="payer"), await world.get("/automations?as=json", who="payer")):
        assert "pay-more" in text
        assert "a run of another automation" in text
        assert "backup" not in text
    assert "backup" in await world.get("/automations")


@pytest.mark.asyncio
async def test_list_leaves_as_rows(world):
    """A line each, without its runs; a name that is no link."""
    define(world, "<script>alert(1)</script>", owner='"><script>', team="</td>")
    rows = json.loads(await world.get("/automations?as=json"))
    assert [row["name"] for row in rows] == ["<script>alert(1)</script>", "backup", "pay"]
    assert "runs" not in rows[0]
    assert "<script>alert" not in await world.get("/automations")
    assert (await world.get("/automations?as=csv&owner=nobody")).strip() == ""


@pytest.mark.asyncio
async def test_no_name_is_taken_for_markup(world):
    """Whatever an automation, who answers for it and its tags are called."""
    made = [
        Definition(
            kind=DefinitionKind.TASK, name=text, options={"owner": text, "team": text, "tags": {text: text}}, doc=text
        )
        for text in PAYLOADS
    ]
    rows = [
        AutomationRow(definition.name, definition.kind, 1, "f", msgspec.json.encode(definition.to_data()))
        for definition in made
    ]
    world.store.apply(AnnounceDefinitions("code", tuple(rows), ()))
    text = await world.get("/automations", limit=100)
    assert text.count("&lt;script") > 5
    assert [payload for payload in PAYLOADS if "<" in payload and payload in text] == []
