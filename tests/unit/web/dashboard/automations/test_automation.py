"""`/a/NAME`: with nothing, with everything, for anyone who may see it; its buttons act once and say so."""

import re

import pytest

from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from mainspring.store.read.status.status import automations
from tests.contract.store.process import fail, finish, outcome
from tests.unit.web.dashboard.automation_world import define
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import ORDER, claimed


def end(world, state=RunState.SUCCEEDED, number=1):
    """Start and end runs of pay."""
    for _ in range(number):
        world.begin()
        (run,) = world.store.apply(ClaimRuns(f"c.{world.clock.random_bits(40)}", 1)).runs
        bad = state is RunState.FAILED
        failure = Failure("ValueError", "boom", "it broke") if bad else None
        reason = FailureReason.PERMANENT_ERROR if bad else None
        world.store.apply(FinishRun(run.id, run.claim, state, 0, failure=failure, reason=reason))
    return run.id


@pytest.mark.asyncio
async def test_automation_without_runs_teaches_how_to_start_it(world):
    """And says that no one expects it, that nothing starts it, that it has no runbook."""
    text = await world.get("/a/pay")
    assert "mainspring run pay" in text
    assert "No success is expected at any time" in text
    assert "runbooks/pay.md" in text
    assert "It starts no other automation" in text
    assert "there is no automation none" in printed_text(await world.get("/a/none", status=404))


@pytest.mark.asyncio
async def test_automation_that_a_page_is_about_is_read_once(world, monkeypatch):
    """A dozen parts of the page name it, and each reads what it needs; what a press changed is read again by the page after it."""
    read, reads = world.store.reader.read, []
    monkeypatch.setattr(world.store.reader, "read", lambda *words: reads.append(words) or read(*words))
    await world.get("/a/pay")
    assert reads.count(("list_automations_of", ('["pay"]',))) == 1
    assert "is paused" in (await world.submit("/a/pay", "pause", reason="out of order")).text


@pytest.mark.asyncio
async def test_automation_displays_its_runs_each_as_a_link(world):
    """In the strip, in the figures, in the heat grid, in the table of days."""
    good, bad = end(world, number=2), end(world, RunState.FAILED)
    text = await world.get("/a/pay")
    for run in (good, bad):
        assert f'<a href="/r/{run}"' in text
    assert 'href="/runs?name=pay&amp;state=failed"' in text
    assert "of 3 runs succeeded<br>before: -" in text
    assert re.search(r"<b>66\.7 %</b>", text)
    assert "1 of 3 failed" in text
    assert "p50 of the newest 3 runs" in text
    assert await world.visible_to('href="/audit-log?since=30d&amp;automation=pay"', "/a/pay", "ana", "payer") == [
        True,
        False,
    ]
    for stats in ("duration", "success"):
        assert f'data-stats="{stats}" data-chart="/api/v1/automations/pay/figures?days=30&amp;hours=3"' in text
    assert re.search(r"/assets/chart-\w+\.js", text)


@pytest.mark.asyncio
async def test_automation_displays_what_is_due_and_what_follows(world):
    """Next due times on its own clock, how monitors judge it, what stands around it; its runbook as it was written."""
    facts = {"owner": "ann", "doc": "Puts things in order.", "guide": "Look <first>."}
    define(world, "tidy", cron="0 3 * * *", tz="Europe/Berlin", after="pay", **facts)
    text = await world.get("/a/tidy")
    assert "Puts things in order." in text
    assert "Look &lt;first&gt;." in text
    assert len(re.findall(r"\d{4}-\d\d-\d\d 03:00:00 CES?T", text)) == 10
    assert "Next 10, Europe/Berlin" in text
    assert "No due time has passed yet" in text
    assert "No schedule says when it is due" not in text
    assert "No success in the expected window." in text
    assert '<a href="/a/pay">pay</a> starts <a href="/a/tidy">tidy</a>' in text
    assert "mainspring monitors show silence tidy" in text
    assert 'href="/automations?owner=ann"' in text


def walk(world, *steps, is_lost=False, **options):
    """Let a run of pay-order go from step to step; `is_lost` = the last one failed, and the run with it."""
    run = claimed(world, ORDER, b"{}")
    for rank, name in enumerate(steps, 1):
        failing = {"failure": BOOM, "state": OutcomeState.FAILED} if is_lost and rank == len(steps) else {}
        world.store.apply(outcome(run, rank, name, requested_after=rank - 1, **failing, **options))
    world.store.apply(fail(run, steps[-1], rank=len(steps)) if is_lost else finish(run, rank=len(steps)))
    return run.id


BOOM = Failure("ValueError", "boom", "it broke")


@pytest.mark.asyncio
async def test_hidden_paths_are_counted(world):
    """Names that are made at run time may be many: of those the page has the first, and says of how many."""
    define(world, "pay-order", kind=DefinitionKind.WORKFLOW)
    walk(world, *(f"a{n}" for n in range(60)))
    assert "The first 100 of" not in await world.get("/a/pay-order")
    walk(world, *(f"b{n}" for n in range(60)))
    text = await world.get("/a/pay-order")
    assert "There are too many steps for a picture." in text
    assert "The first 100 of 122; as CSV and JSON 122." in text


@pytest.mark.asyncio
async def test_automation_displays_the_paths_of_its_runs(world):
    """Each number leads to its rows: the runs that ended so, the step at the newest run; what nothing takes up is reported."""
    define(world, "pay-order", kind=DefinitionKind.WORKFLOW)
    assert "Paths of its runs" not in await world.get("/a/pay-order")
    good, bad = walk(world, "check", "charge"), walk(world, "check", "charge", is_lost=True)
    text = await world.get("/a/pay-order")
    assert "charge failed in 1 of 2 runs and no code handles the error: it ended the run" in text
    assert 'class="edge missing"' in text
    assert f'href="/r/{bad}?step=charge"' in text
    assert 'href="/runs?name=pay-order&amp;state=succeeded"' in text
    assert 'Of the newest <a href="/runs?name=pay-order">2 runs</a> that ended' in text
    assert "mainspring auto paths pay-order" in text
    rows = (await world.get("/a/pay-order?as=csv&of=paths")).splitlines()
    assert rows[0].startswith("step,then,runs,failed,is_missing,run")
    assert f"charge,succeeded,1,False,False,{good}" in "\n".join(rows)
    end(world)
    assert "Paths of its runs" not in await world.get("/a/pay"), "a task is one step"


@pytest.mark.asyncio
async def test_steps_with_hostile_names_and_hidden_children_are_text(world):
    """Neither does a name do harm, nor is that of another automation told to whom may not see it."""
    define(world, "pay-order", kind=DefinitionKind.WORKFLOW)
    walk(world, "<script>alert(1)</script>", "'\"><img src=x>&?#", is_lost=True)
    walk(world, "backup-all", kind=OutcomeKind.CHILD)
    text = await world.get("/a/pay-order")
    assert "child backup-all" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    for path in ("/a/pay-order", "/a/pay-order?as=json&of=paths", "/a/pay-order?as=csv&of=paths"):
        hidden = await world.get(path, who="payer")
        assert "backup-all" not in hidden
        assert "child another automation" in hidden


@pytest.mark.asyncio
async def test_automation_displays_what_is_wrong_first(world):
    """Its incidents, and the causes by which its runs failed."""
    end(world, RunState.FAILED)
    finding = Finding(
        subject=Subject("pay", IncidentKind.SILENCE), severity=Severity.PAGE, text="<b>silent", since_at=1
    )
    world.store.apply(
        RecordEvaluation(started_at=world.clock.now(), found=(EvaluatedFinding(id="i_01", finding=finding, to=()),))
    )
    text = await world.get("/a/pay")
    assert text.index("Open incidents") < text.index("Trust, 30 days")
    assert "&lt;b&gt;silent" in text
    assert "Open incidents" not in await world.get("/a/backup")


@pytest.mark.asyncio
async def test_automation_is_paused_resumed_and_retired_by_buttons(world):
    """Each once, with its reason, and told above the page; then the other buttons are there."""
    first = await world.submit("/a/pay", "pause", **{"for": "2h", "reason": "mending", "page": "p1"})
    assert printed_text(first.text) == "Done: pause automation pay."
    await world.submit("/a/pay", "pause", **{"for": "2h", "reason": "mending", "page": "p1"})
    assert [operation for operation in world.auth.operations() if operation[0] == "pause"] == [
        ("pause", "automation:pay", "web:ana")
    ]
    (view,) = automations(world.store.reader, "pay")
    assert (view.paused_by, view.pause_reason) == ("web:ana", "mending")
    assert 0 < view.paused_until - view.paused_at <= 2 * 3_600_000
    assert "mending" in first.text
    assert 'value="resume"' in first.text
    assert 'value="pause"' not in first.text
    assert printed_text((await world.submit("/a/pay", "resume")).text) == "Done: resume automation pay."
    retired = await world.submit("/a/pay", "retire", reason="over")
    assert ">Resume<" in retired.text
    assert 'href="/a/pay/run"' not in retired.text
    assert 'value="pause"' in (await world.submit("/a/pay", "resume")).text


@pytest.mark.asyncio
async def test_reason_of_a_refused_retire_stays_in_its_form(world):
    """Anyone who wrote too much cuts it, and does not write it again; the form is open, and the other one is not."""
    reason = "moved to the <new> ledger " * 100
    answer = await world.submit("/a/pay", "retire", reason=reason)
    assert answer.status_code == 409
    form = answer.text.partition('<summary class="button">Retire')[2]
    assert form.partition("</form>")[0].count("moved to the &lt;new&gt; ledger") == 100
    assert '<details open><summary class="button">Retire' in answer.text
    assert '<details open><summary class="button">Retire' not in await world.get("/a/pay")


@pytest.mark.asyncio
@pytest.mark.parametrize("span", ["soon", "999999999d", "-1h"])
async def test_span_that_is_none_is_reported_at_its_field(world, span):
    """With what was typed still there, and nothing done."""
    answer = await world.submit("/a/pay", "pause", **{"for": span, "reason": "a <b> reason"})
    assert answer.status_code == 409
    assert f'value="{span}"' in answer.text
    assert 'value="a &lt;b&gt; reason"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'id="for-fault"' in answer.text
    assert automations(world.store.reader, "pay")[0].paused_at is None


@pytest.mark.asyncio
async def test_operation_that_cannot_be_done_is_reported(world):
    """What continues already does not continue again."""
    answer = await world.submit("/a/pay", "resume")
    assert answer.status_code == 409
    assert "not paused" in printed_text(answer.text)


@pytest.mark.asyncio
async def test_automation_is_displayed_to_permitted_visitors(world):
    """Buttons only to who may press them; of others neither the page nor a name."""
    define(world, "pay-more", after="backup")
    for part in ('value="pause"', 'href="/a/pay/run"'):
        assert await world.visible_to(part, "/a/pay", "olga", "vic") == [True, False]
    text = await world.get("/a/pay-more", who="payer")
    assert "backup" not in text
    assert "a run of another automation" in text
    assert "backup" in await world.get("/a/pay-more")
    await world.get("/a/backup", who="payer", status=404)


@pytest.mark.asyncio
async def test_hostile_names_and_words_do_no_harm(world):
    """In names, texts, options, command lines: they are text."""
    name = "</script><script>alert(1)</script>'\""
    define(
        world,
        name,
        cron="0 3 * * *",
        owner="<img src=x onerror=alert(1)>",
        runbook="javascript:alert(1)",
        doc="<svg onload=alert(1)>",
    )
    text = await world.get("/a/%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%27%22")
    for bad in ("<script>alert", "<img src=x", "<svg onload", 'href="javascript'):
        assert bad not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.asyncio
async def test_newest_runs_leave_as_rows(world):
    """As the strip draws them."""
    run = end(world)
    lines = (await world.get("/a/pay?as=csv")).splitlines()
    assert lines[0].startswith("seq,id,automation")
    assert run in lines[1]
