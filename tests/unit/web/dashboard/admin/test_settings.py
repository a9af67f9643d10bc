"""Settings: channels and a test of each, who is notified, what was reported, the configuration, monitors, the outbox, a restored store."""

import json

import pytest

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.store.commands.automations import SetMeta
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read.outbox import list_refused_messages
from mainspring.store.restore_hold import HOLD_KEY, LOST_CHANGES, RESTORED_AT
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.shop import Shop, with_channels


@pytest.fixture
def shop(world):
    found = Shop(world)
    with_channels(world)
    return found


def open_incident(world, text="no success"):
    finding = Finding(
        subject=Subject("backup", IncidentKind.SILENCE), severity=Severity.PAGE, text=text, since_at=world.clock.now()
    )
    found = EvaluatedFinding(id="i_01", finding=finding, to=(NotificationTarget(0, "ops"),))
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), found=(found,)))


@pytest.mark.asyncio
async def test_channel_is_tried_from_its_row(world, shop, capsys, monkeypatch):
    """Told once of one press, with what it answered beside it; one that does not take it says why above the page."""
    monkeypatch.delenv("MAINSPRING_SECRET_BOT", raising=False)
    for _ in range(2):
        answer = await world.submit("/settings", "test", channel="me", page="p1")
        assert printed_text(answer.text) == "Done: test channel me."
    assert capsys.readouterr().err.count("this channel works") == 1
    answer = await world.submit("/settings", "test", channel="ops")
    assert answer.status_code == 409
    assert "MAINSPRING_SECRET_BOT" in printed_text(answer.text)
    text = await world.get("/settings")
    assert "slack://secret:bot/#ops" in text
    assert "refused</span>" in text
    assert "severity: page" in text
    assert await world.visible_to("Send test", "/settings") == [True, False]
    assert (await world.submit("/settings", "test", channel="nope")).status_code == 409


@pytest.mark.asyncio
async def test_routes_and_alerts_are_listed(world, shop):
    """Who would be reported, and what waits to be; each can be had as JSON in its filter."""
    open_incident(world, "<script>no</script>")
    text = await world.get("/settings/routes", automation="backup", kind="too_slow")
    assert "unless it is acknowledged" in text
    text = await world.get("/settings/alerts", channel="ops", state="unsent")
    assert "&lt;script&gt;no" in text
    assert 'href="/incidents/i_01"' in text
    assert "No notification matches" in await world.get("/settings/alerts", channel="mail")
    rows = json.loads((await (await world.browser()).get("/settings/alerts?channel=ops&as=json")).content)
    assert [row["incident"] for row in rows] == ["i_01"]
    assert "2</a>" not in await world.get("/settings")


@pytest.mark.asyncio
async def test_configuration_states_where_each_setting_comes_from(world, shop):
    """For anyone who acts; by a part of its name."""
    text = await world.get("/settings/configuration", name="notify.")
    assert "notify.channels.ops" in text
    assert "store.url" not in text
    assert "No setting matches" in await world.get("/settings/configuration", name="zzz")
    await world.get("/settings/configuration", who="vic", status=403)


@pytest.mark.asyncio
async def test_monitors_show_their_arithmetic(world, shop):
    """What each judges and finds; of one every figure; only those that are meant."""
    world.begin()
    text = await world.get("/monitors")
    assert 'href="/monitors/silence"' in text
    assert "No monitor matches" in await world.get("/monitors", only="off")
    monitor_page = await world.get("/monitors/backlog")
    assert "mainspring monitors show backlog" in monitor_page
    assert 'data-name="Values"' in monitor_page
    assert "nothing to evaluate for &lt;b&gt;" in await world.get("/monitors/backlog", automation="<b>")
    await world.get("/monitors/nope", status=404)
    rows = json.loads((await (await world.browser()).get("/monitors/backlog?as=json")).content)
    assert {row["verdict"] for row in rows} == {"healthy"}


@pytest.mark.asyncio
async def test_refused_message_is_sent_again_or_discarded(world, shop):
    """One by its name, or all; each is reported, and what is gone says so."""
    assert "No message waits" in await world.get("/outbox")
    shop.refuse_messages("m1", "m2", "m3")
    text = await world.get("/outbox")
    assert "m2 is too large" in text
    assert await world.visible_to("Discard", "/outbox") == [True, False]
    answer = await world.submit("/outbox", "send-again", message="m1")
    assert printed_text(answer.text) == "Done: send again message m1."
    answer = await world.submit("/outbox", "discard", reason="nobody wants them", page="p1")
    assert printed_text(answer.text) == "Done: discard 2 messages."
    assert list_refused_messages(world.store.reader) == []
    answer = await world.submit("/outbox", "discard", message="m2")
    assert answer.status_code == 409
    assert "0 of 1 done. m2:" in printed_text(answer.text)


@pytest.mark.asyncio
async def test_restored_store_is_decided_and_continues(world):
    """One run, then all that are left, then an admin lets it continue; a store that is not held says so."""
    assert "not on hold" in await world.get("/restore")
    runs = [world.begin() for _ in range(3)]
    world.store.apply(SetMeta(RESTORED_AT, str(world.clock.now())))
    world.store.apply(SetMeta(HOLD_KEY, "1"))
    assert 'href="/restore"' in await world.get("/settings")
    text = await world.get("/restore", who="olga")
    assert all(run in text for run in runs)
    assert (await world.submit("/restore", "decide", run=runs[0], decision="perhaps")).status_code == 409
    answer = await world.submit("/restore", "decide", run=runs[0], decision="done")
    assert printed_text(answer.text) == f"Done: mark_done run {runs[0]}."
    answer = await world.submit("/restore", "decide", decision="continue")
    assert printed_text(answer.text) == "Done: continue 2 runs."
    assert await world.visible_to("Every run is decided", "/restore", "ana", "olga") == [True, True]
    assert await world.visible_to("Release the store", "/restore", "ana", "olga") == [True, False]
    answer = await world.submit("/restore", "release")
    assert printed_text(answer.text) == "Done: release store held."


@pytest.mark.asyncio
async def test_changes_after_the_backup_are_listed_and_exported(world):
    """Where the replaced store could not be read there is no such table."""
    change = {"at": 60_000, "actor": "cli:ann@host", "verb": "pause", "subject": "schedule:pay", "reason": None}
    world.store.apply(SetMeta(RESTORED_AT, str(world.clock.now())))
    browser = await world.browser()
    assert "Changed after the backup" not in await world.get("/restore")
    assert (await browser.get("/restore?as=json&of=changes")).json() == []
    world.store.apply(SetMeta(LOST_CHANGES, json.dumps([change])))
    text = await world.get("/restore")
    assert "pause schedule:pay" in text
    assert 'aria-label="changes as CSV"' in text
    (row,) = (await browser.get("/restore?as=json&of=changes")).json()
    assert (row["actor"], row["verb"], row["subject"]) == ("cli:ann@host", "pause", "schedule:pay")


@pytest.mark.asyncio
async def test_people_page_has_the_common_frame(world):
    """With the verdict above them; what was made is reported, and a token is shown where it was made alone."""
    text = await world.get("/people")
    assert "healthy" in text
    assert '<a href="/people" aria-current="page">People</a>' in text
    answer = await world.submit("/people", "make-token", name="bot", role="viewer", days="30")
    assert 'class="token">ms_' in answer.text
    assert "ms_" not in await world.get("/people")
    answer = await world.submit("/people", "add", name="<b>", password="short", role="viewer")
    assert answer.status_code == 409
    assert 'class="message failing"' in answer.text
    assert "healthy" in await world.get("/me", who="vic")
