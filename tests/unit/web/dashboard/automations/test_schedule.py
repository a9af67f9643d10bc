"""The schedule of the next days: it is drawn, bounded, and shows no one what he may not see."""

import re

import pytest

import mainspring as ms
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import MakeSlot, PauseAutomation
from mainspring.web.dashboard.automations.schedule import MAX_LINES
from tests.unit.web.dashboard.page_world import printed_text


def announce(world, **schedules):
    """Announce a task with this option of its schedule for each name."""
    with Registry() as registry:
        for name, options in schedules.items():

            def work() -> None: ...

            ms.task(name=name, **options)(work)
    world.store.apply(build_announcement(registry, world.clock.now()))


def far_off(world):
    """A time once a day, half a day from now: the seven days are counted from the full hour, so one that just passed is not among them."""
    return f"0 {(world.clock.now() // 3_600_000 + 12) % 24} * * *"


@pytest.mark.asyncio
async def test_page_teaches_how_to_get_a_schedule(world):
    """As long as there is none."""
    text = await world.get("/schedule")
    assert "mainspring add script" in text
    assert "Each due time of the last day" in text


@pytest.mark.asyncio
async def test_starts_are_rendered_and_counted(world):
    """Each line with its picture, its words in text, and its number as a link."""
    announce(world, nightly={"cron": far_off(world), "tz": "UTC"}, often={"every": "1m"}, tired={"cron": "0 * * * *"})
    world.store.apply(PauseAutomation("tired", None, "ann", None))
    text = await world.get("/schedule")
    assert '<a href="/a/nightly">7</a>' in text
    assert '<rect class="often"' in text
    assert "</span> paused</span>" in text
    assert re.search(r'aria-label="7 starts"', text)
    assert len(re.findall(r"M\d+ 4h6v16h-6z", text)) == 7
    assert "style=" not in text
    found = await world.get("/schedule", name="nigh")
    assert "often" not in found.partition("<table")[2].partition("</table>")[0]
    assert "No automation whose name contains “&lt;b&gt;”" in await world.get("/schedule", name="<b>")
    rows = (await (await world.browser()).get("/schedule?as=csv")).text.splitlines()
    assert rows[0].startswith("automation,words,zone,next_at,count")
    assert len(rows) == 4


@pytest.mark.asyncio
async def test_late_start_is_reported(world):
    """Missed ones with why; their texts are escaped."""
    announce(world, nightly={"cron": "* * * * *"})
    now = world.clock.now()
    at = now - now % 60_000 - 600_000
    world.store.apply(MakeSlot("nightly", at, at + 60_000, "missed", None, "<script>away"))
    text = await world.get("/schedule")
    assert "</span> missed</span>" in text
    assert "&lt;script&gt;away" in text


@pytest.mark.asyncio
async def test_visitor_sees_its_own_automations_only(world):
    """Neither names nor numbers of others."""
    announce(world, payday={"cron": far_off(world), "tz": "UTC"}, secret={"cron": "0 * * * *"})
    now = world.clock.now()
    world.store.apply(MakeSlot("secret", now - 600_000, now + 60_000, "missed", None, None))
    text = await world.get("/schedule", who="payer")
    assert "payday" in text
    assert "secret" not in text
    assert "7 starts of 1 automation" in text
    assert "secret" not in (await (await world.browser("payer")).get("/schedule?as=json")).text
    assert printed_text(text) == ""


@pytest.mark.asyncio
async def test_many_schedules_are_bounded(world, monkeypatch):
    """The busiest are drawn, the soonest are counted, and it is said that there are others."""
    monkeypatch.setattr("mainspring.web.api.endpoints.schedule.MOST", MAX_LINES + 5)
    announce(world, **{f"a{number:03}": {"cron": f"{number % 60} 3 * * *"} for number in range(MAX_LINES + 7)})
    text = await world.get("/schedule")
    assert text.count('<svg class="line"') == MAX_LINES
    assert "5 more are counted but not drawn" in text
    assert "Find others by name" in text
