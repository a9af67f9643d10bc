"""The run behind a link: read only, of this run alone, with the same button; what the button cannot fix has none."""

import re

import pytest
from msgspec.structs import replace

from mainspring.domain.access.incident_link import LINK_LIFETIME_S, IncidentLinkToken
from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs import run
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.runs import ClaimRuns
from tests.contract.store.process import BOOM, fail, finish, halt, outcome
from tests.unit.web.pages.test_incident_pages import OWN
from tests.unit.web.test_incident_links import KEY, Failed

HOSTILE = Failure("E", "boom", "<script>alert(1)</script>")
pytestmark = pytest.mark.asyncio


@pytest.fixture
def site(tmp_path):
    made = Failed(tmp_path / "s.db")
    yield made
    made.store.close()


async def run_page(site):
    return await site.ask("GET", f"/i/{site.token}/run")


async def test_incident_leads_to_its_error_its_run_and_its_retry(site):
    """The button is the first thing that can be pressed, before the name and what else can be done."""
    text = (await site.ask("GET")).text
    assert BOOM.message in text
    assert text.index('value="retry"') < text.index('name="name"')
    assert f'href="/ms/i/{site.token}/run"' in text


async def test_run_is_displayed_and_continued_from_its_page(site):
    """Looked at it changes nothing; pressed it is continued once, on record as by the link; then it says how it stands."""
    before = (site.rows(), site.operations())
    for _ in range(3):
        assert (await run_page(site)).status_code == 200
    assert (site.rows(), site.operations()) == before
    text = (await run_page(site)).text
    assert site.run in text
    assert "Steps" in text
    seen = re.search(r'name="seen" value="([0-9.]+)"', text)[1]
    first, again = [
        await site.ask("POST", f"/i/{site.token}/run", data={"act": "retry", "seen": seen}, headers=OWN) for _ in "12"
    ]
    assert f"done: run {site.run} continues" in first.text
    assert re.search(r"already retried by someone at \d\d:\d\d", again.text)
    assert site.run_state is RunState.QUEUED
    assert [verb for verb, _ in site.operations()].count("retry") == 1
    assert 'value="retry"' not in (await run_page(site)).text


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {}])
async def test_other_sites_cannot_submit_it(site, headers):
    """As on the incident's page."""
    seen = await site.seen()
    answer = await site.ask("POST", f"/i/{site.token}/run", data={"act": "retry", "seen": seen}, headers=headers)
    assert (answer.status_code, site.run_state) == (403, RunState.FAILED)


async def test_nothing_else_lies_below_a_link(site):
    """Neither another run nor a page of the project; a token that is none shows nothing."""
    for path in (f"/i/{site.token}/run/{site.run}", f"/i/{site.token}/runs", "/i/nonsense/run"):
        assert (await site.ask("GET", path)).status_code == 404, path


async def test_page_runs_and_loads_nothing_of_others(site):
    """No script at all; what a step said is text."""
    end_again(site, lambda run: [finish(run, RunState.FAILED, failure=HOSTILE, reason=FailureReason.PERMANENT_ERROR)])
    answer = await run_page(site)
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_failure_that_a_retry_cannot_fix_has_no_button(site):
    """Whether the effect happened only a person knows: the page says with which commands."""
    end_again(
        site,
        lambda run: [
            outcome(run, 1, "pay", state=OutcomeState.IN_DOUBT, output=None),
            halt(run, "pay", FailureReason.IN_DOUBT, rank=1),
        ],
    )
    for text in ((await site.ask("GET")).text, (await run_page(site)).text):
        assert 'value="retry"' not in text
    assert f"mainspring runs give-result {site.run}" in text
    assert "it did not happen" in text


async def test_link_does_not_name_the_run_that_has_the_effect(site):
    """Its holder learns the key and the commands."""

    def stop(run):
        step = (run.automation, run.id, "pay", "key", 1)
        call = EffectCall("pay:7", EffectHolder("ann", "call"), "hash", b"[]")
        blocked = replace(call, holder=EffectHolder(run.id, "other", *step))
        return [
            BeginEffect(call, "e_1"),
            SettleEffect("pay:7", "e_1", 1, CallOutcome.UNKNOWN),
            BeginEffect(blocked, "e_2"),
            halt(run, "pay", FailureReason.IN_DOUBT),
        ]

    end_again(site, stop)
    text = (await run_page(site)).text
    assert "effect pay:7 of another run may or may not have happened" in text
    assert "mainspring effects forget pay:7" in text


async def test_of_many_steps_the_last_ones_and_the_one_that_stopped_it_are_displayed(site):
    """However many there are, and however early it was."""
    end_again(
        site,
        lambda run: [
            *(outcome(run, place, f"s{place}") for place in range(1, 61)),
            finish(
                run, RunState.FAILED, rank=60, failure=BOOM, reason=FailureReason.PERMANENT_ERROR, failed_ident="s2"
            ),
        ],
    )
    text = (await run_page(site)).text
    names = re.findall(r"<b>(s\d+)</b> <span", text)
    assert names == ["s2", *[f"s{place}" for place in range(22, 61)]]
    assert "Only the last steps" in text


async def test_link_without_a_run_has_no_run_page(site):
    """An incident of silence has a page, and no run behind it."""
    finding = Finding(subject=Subject("sync", IncidentKind.SILENCE), severity=Severity.PAGE, text="silent", since_at=1)
    site.stage.do(RecordEvaluation(started_at=site.clock.now(), found=(EvaluatedFinding(id="i_02", finding=finding),)))
    token = IncidentLinkToken("i_02", 1, site.clock.now() // 1000 + LINK_LIFETIME_S).token(KEY)
    text = (await site.ask("GET", f"/i/{token}")).text
    assert "silent" in text
    assert "/run" not in text
    assert (await site.ask("GET", f"/i/{token}/run")).status_code == 404


def end_again(site, made_of):
    """Continue the run, and let it end as these commands say."""
    run.retry(site.store, site.run, act=operation_context(Actor.link("x"), site.clock))
    claimed = site.stage.claim()
    for command in made_of(claimed):
        site.stage.do(command)


async def test_settled_run_has_no_needless_button_and_names_no_one(site):
    """Behind a link it learns that it is settled, not by whom: that is for those who sign in."""
    act = operation_context(Actor.cli("ann", "box"), site.clock, reason="customer is gone")
    end_again(site, lambda claimed: [fail(claimed)])
    assert 'value="retry"' in (await run_page(site)).text
    run.discard(site.store, site.run, act=act)
    text = (await run_page(site)).text
    assert "It is settled: a person discarded it" in text
    assert "only if that was a mistake" in text
    assert "cli:ann" not in text
    assert "customer is gone" not in text


async def test_page_has_the_new_state_after_a_submit(site):
    """While a continued run moves, the page loads itself again; then until its success has ended the incident. A failed one does not."""
    assert "refresh" not in (await site.ask("GET")).headers
    answer = await site.ask("POST", data={"act": "retry", "seen": await site.seen()}, headers=OWN)
    assert "queued" in answer.text
    assert answer.headers["refresh"] == f"5; url=/ms/i/{site.token}"
    assert (await run_page(site)).headers["refresh"] == f"5; url=/ms/i/{site.token}/run"
    (run,) = site.store.apply(ClaimRuns("again", 1)).runs
    assert "running" in (await site.ask("GET")).text
    site.store.apply(finish(run))
    ended = await site.ask("GET")
    assert "succeeded" in ended.text
    assert ended.headers["refresh"] == f"15; url=/ms/i/{site.token}"
    seen = re.search(r'name="seen" value="([0-9.]+)"', ended.text)[1]
    resolved = await site.ask("POST", data={"act": "resolve", "seen": seen}, headers=OWN)
    assert "refresh" not in resolved.headers
