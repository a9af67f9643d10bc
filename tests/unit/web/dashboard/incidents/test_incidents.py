"""`/incidents` and one of them: filters in the address, all that is known, acts with a word and for a time."""

import json
import re

import pytest
from msgspec.structs import replace

from mainspring.config import Settings
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.states import IncidentState, RunState
from mainspring.store.read.incidents import incident
from mainspring.store.read.runs.run_views import run_view
from mainspring.web.api.endpoints import incidents
from tests.counted_reads import counted
from tests.unit.web.dashboard.open_incident import HOSTILE, fail_run, find_invalid, find_storm, state_of
from tests.unit.web.dashboard.page_world import printed_text

pytestmark = pytest.mark.asyncio


def listed(text):
    return re.findall(r'data-name="Incident"><a href="/incidents/(\w+)"', text)


async def test_empty_list_has_a_hint(world):
    """No incident is open, or none fits."""
    assert "No incident is open" in await world.get("/incidents")
    assert "No incident matches" in await world.get("/incidents", severity="page")


async def test_filters_are_in_the_address(world):
    """By state, severity, kind and automation; a bad one is reported by name."""
    find_invalid(world, "pay", "i_1")
    find_invalid(world, "backup", "i_2", IncidentKind.TOO_SLOW, Severity.NOTIFY, "took long")
    await world.submit("/incidents/i_2", "acknowledge")
    assert listed(await world.get("/incidents")) == ["i_2", "i_1"]
    assert listed(await world.get("/incidents", state="open")) == ["i_1"]
    assert listed(await world.get("/incidents", state=["acknowledged", "snoozed"])) == ["i_2"]
    assert listed(await world.get("/incidents", severity="page", kind="silence", automation="pay")) == ["i_1"]
    assert listed(await world.get("/incidents", severity="", kind="", automation="backup")) == ["i_2"]
    assert "loud" in printed_text(await world.get("/incidents", severity="loud", status=400))
    since = "2026-01-05T03:00:00+00:00"  # a handover leads here with one, and anyone who filters further keeps it
    assert f'name="since" value="{since}"' in await world.get("/incidents", since=since)
    await world.submit("/incidents/i_1", "resolve", reason="mended")
    assert listed(await world.get("/incidents", state="resolved")) == ["i_1"]


async def test_list_continues_and_can_be_taken_away(world):
    """Page by page, and whole as JSON."""
    for place in range(5):
        find_invalid(world, "pay", f"i_{place}", fingerprint=f"f{place}")
    first = await world.get("/incidents", limit=2)
    behind = re.search(r'href="(/incidents\?[^"]*cursor=[^"]*)">Older', first)[1].replace("&amp;", "&")
    found = listed(first) + listed(await world.get(behind))
    assert len(set(found)) == 4
    rows = json.loads((await (await world.browser()).get("/incidents?as=json&limit=2")).content)
    assert len(rows) == 5


async def test_incident_displays_all_that_is_known(world, tmp_path):
    """What, since, change, who was notified, its runs, its runbook at what is about it, what became of it."""
    (tmp_path / "runbooks").mkdir()
    page = "# pay\n\n## permanent_error\nCall the bank <b>\n\n## silence\nOther\n"
    (tmp_path / "runbooks" / "pay.md").write_text(page)
    world.use(replace(Settings(), file=tmp_path / "mainspring.toml", folder=tmp_path))
    run = fail_run(world)
    text = await world.get("/incidents/i_1")
    for part in ("it broke", "no one yet", "Call the bank &lt;b&gt;", f'href="/r/{run}"', "ops", "a watcher"):
        assert part in text, part
    assert "Other" not in text
    assert "mainspring incidents snooze i_1 --for 4h" in text
    assert f"mainspring runs retry {run}" in text


async def test_operations_accept_a_reason_and_a_span(world):
    """Acknowledged for a span it says until when; each once, with its note; what is over has no buttons."""
    find_invalid(world)
    answer = await world.submit("/incidents/i_1", "acknowledge", span="2h", reason="on it")
    assert printed_text(answer.text) == "Done: acknowledge incident i_1."
    acknowledged = incident(world.store.reader, "i_1")
    assert (acknowledged.state, acknowledged.note, acknowledged.by) == (IncidentState.ACKNOWLEDGED, "on it", "web:ana")
    assert 7_100_000 < acknowledged.snoozed_until - acknowledged.changed_at <= 7_200_000
    await world.submit("/incidents/i_1", "snooze", span="3d", reason="next week")
    assert state_of(world) is IncidentState.SNOOZED
    over = await world.submit("/incidents/i_1", "resolve", reason="a full disk")
    assert state_of(world) is IncidentState.RESOLVED
    assert "a full disk" in over.text
    assert 'value="resolve"' not in over.text


async def test_bad_span_is_reported_at_its_field(world):
    """What was typed stays, in the form that was sent."""
    find_invalid(world)
    answer = await world.submit("/incidents/i_1", "snooze", span="60 moons", reason="why not")
    assert answer.status_code == 409
    assert 'aria-invalid="true" aria-describedby="snooze-span-why"' in answer.text
    assert 'value="60 moons"' in answer.text
    assert 'value="why not"' in answer.text
    assert "<details open>" in answer.text
    late = await world.submit("/incidents/i_1", "snooze", span="99d")
    assert "more than 30 days" in printed_text(late.text)
    assert state_of(world) is IncidentState.OPEN


async def test_its_run_is_continued_from_here(world):
    """Once; a run that this visitor may not see is not there."""
    run = fail_run(world)
    done = await world.submit("/incidents/i_1", "retry", run=run, page="p1")
    assert printed_text(done.text) == f"Done: retry run {run}."
    assert run_view(world.store.reader, run).state is RunState.QUEUED
    assert "Retry the" not in done.text
    assert (await world.submit("/incidents/i_1", "retry", run="r_none")).status_code == 404


async def test_others_are_not_there(world):
    """An incident of another automation is, for who may not see it, no incident."""
    find_invalid(world, "backup", "i_2", text="the disk is full")
    find_invalid(world, "", "i_3", IncidentKind.WORKER_LOST)
    find_invalid(world, "pay", "i_1")
    assert listed(await world.get("/incidents", who="payer")) == ["i_1"]
    for id in ("i_2", "i_3", "i_none"):
        await world.get(f"/incidents/{id}", who="payer", status=404)
    assert b"disk" not in (await (await world.browser("payer")).get("/incidents?as=csv")).content


async def test_hostile_words_are_text(world):
    """Of an incident, its facts, its notes."""
    find_invalid(world, text=HOSTILE, hint=HOSTILE, facts={"changed": HOSTILE, "what": HOSTILE, "impact": HOSTILE})
    await world.submit("/incidents/i_1", "acknowledge", reason=HOSTILE)
    for path in ("/incidents", "/incidents/i_1"):
        assert "<script>alert" not in await world.get(path)


async def test_incidents_of_others_hide_none_of_ones_own(world, monkeypatch):
    """Where only so many are looked through and none of them is seen, it is not said that none is open: there is a way on."""
    monkeypatch.setattr(incidents, "_MAX_PAGES", 1)
    monkeypatch.setattr(incidents, "_AT_ONCE", 1)
    find_invalid(world, "pay", "i_1")
    find_invalid(world, "backup", "i_2")
    text = await world.get("/incidents", who="payer")
    assert "No incident is open" not in text
    onward = re.search(r'href="(/incidents\?cursor=[^"]+)">Search further back', text)[1]
    assert listed(await world.get(onward, who="payer")) == ["i_1"]


async def test_storm_is_resolved_once_however_many_of_its_parts_are_seen(world):
    """Not once for each row of the list."""
    names = [f"pay-{number}" for number in range(20)]
    find_storm(world, *names)
    reads = counted(world.store.reader)
    text = await world.get("/incidents", who="payer")
    assert all(f"/incidents/i_{name}" in text for name in names)
    assert (reads.count("read_incident"), reads.count("list_incidents_named")) == (0, 1)
