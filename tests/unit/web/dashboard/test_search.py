"""`/search`: what was found, and an exact id straight to its page."""

import pytest

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.api_world import BACKUP, PAY
from tests.unit.web.dashboard.failed_runs import fall, fingerprint_of, group


@pytest.fixture
def full(world):
    """A run with a key, an error, an incident and an event."""
    act = operation_context(Actor.cli("ann", "box"), world.clock)
    options = StartOptions(key="invoice-77")
    world.keyed = start(world.store, world.clock, PAY, b'{"amount":1}', act=act, options=options).run
    (world.failed,) = fall(world)
    group(world)
    finding = Finding(
        subject=Subject("pay", IncidentKind.SILENCE),
        severity=Severity.PAGE,
        text="no success <b>for</b> 26 h",
        since_at=1,
    )
    world.store.apply(
        RecordEvaluation(started_at=world.clock.now(), found=(EvaluatedFinding(id="i_77", finding=finding, to=()),))
    )
    world.store.apply(PublishEvent("e_77", "paid", b"{}", world.clock.now() + 1_000))
    world.backup = world.begin(BACKUP, b"{}")
    return world


async def leads_to(world, text, who="ana"):
    """Return where a search leads to by itself, if it does."""
    answer = await (await world.browser(who)).get(f"/search?q={text}")
    return answer.headers.get("location")


@pytest.mark.asyncio
async def test_exact_id_leads_directly_to_its_page(full):
    """Of a run, an incident, an error, an event."""
    error = fingerprint_of(full)
    assert await leads_to(full, full.keyed) == f"/r/{full.keyed}"
    assert await leads_to(full, "i_77") == "/incidents/i_77"
    assert await leads_to(full, error) == f"/failed?error={error}"
    assert await leads_to(full, "e_77") == "/events/e_77"


@pytest.mark.asyncio
async def test_starts_keys_and_words_are_listed(full):
    """The beginning of an id, with and without what it begins with; a run key; part of a name; words in any case."""
    assert f"/r/{full.keyed}" in await full.get("/search", q=full.keyed[2:12])
    assert f"/r/{full.keyed}" in await full.get("/search", q="invoice-7")
    assert "/a/backup" in await full.get("/search", q="ACKU")
    assert "/failed?error=" in await full.get("/search", q="accessdenied")
    found = await full.get("/search", q="success")
    assert "/incidents/i_77" in found
    assert "&lt;b&gt;for&lt;/b&gt;" in found


@pytest.mark.asyncio
async def test_nothing_found_is_reported(full):
    """Of one letter nothing is looked for; hostile words are text."""
    assert "Nothing has this id" in await full.get("/search", q="zzzz")
    assert "beginning of an id" in await full.get("/search", q="z")
    text = await full.get("/search", q="<script>alert(1)</script>")
    assert "<script>alert" not in text
    assert "q" in await full.get("/search?q=" + "x" * 300, status=400)


@pytest.mark.asyncio
async def test_restricted_visitor_finds_only_its_own_subjects(full):
    """Neither runs nor names of others, nor events, which belong to none."""
    assert await leads_to(full, full.keyed, "payer") == f"/r/{full.keyed}"
    for text in (full.backup, "acku", "e_77"):
        assert await leads_to(full, text, "payer") is None
        assert "Nothing has this id" in await full.get("/search", who="payer", q=text)
