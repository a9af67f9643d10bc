"""`/waiting`: questions with what they rest on, answered by a press."""

import html
from dataclasses import dataclass
from datetime import date
from typing import Literal

import msgspec
import pytest

from mainspring.domain.runs.journal import NO_PLAN, OutcomeKind, QuestionPlan
from mainspring.domain.values.form_schema import make_form_schema
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.read.runs.run_views import questions
from tests.api_world import BACKUP
from tests.contract.store.process import outcome, suspend
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import ask, ask_question, claimed


@pytest.mark.asyncio
async def test_empty_page_teaches_how_runs_ask(world):
    """And how one answers."""
    assert "mainspring runs answer RUN CHOICE" in await world.get("/waiting")


@pytest.mark.asyncio
async def test_question_displays_what_it_rests_on(world):
    """Words, deadline with what counts then, whom it asks, facts and evidence as text; viewers have no buttons."""
    run = claimed(world)
    ask(
        world,
        run,
        text="Charge <b>1,204</b>?",
        otherwise="refund",
        who="team billing",
        evidence={"customer": "<i>C1</i>", "amount": 1204},
    )
    ask(world, run, "q2", text="Which?", choices=None, evidence=["rows", 4, 17])
    text = await world.get("/waiting")
    for part in (
        "Charge &lt;b&gt;1,204&lt;/b&gt;?",
        "then the answer is <b>refund</b>",
        "team billing",
        "&lt;i&gt;C1&lt;/i&gt;",
    ):
        assert part in text
    assert '<button name="choice" value="approve">' in text
    assert f"mainspring runs answer {run.id} approve --question q1" in text
    assert '<input name="choice"' in text
    assert "17" in text
    assert await world.visible_to('name="choice"', "/waiting") == [True, False]
    assert "q2" in await world.get("/waiting?limit=1&cursor=1")


@pytest.mark.asyncio
async def test_answer_is_given_once_and_reported(world):
    """It leads back with what was said; the note is in the audit log."""
    run = claimed(world)
    ask(world, run, text="Charge <b>1,204</b>?")
    fields = {"run": run.id, "question": "q1", "choice": "approve", "note": "checked", "page": "p1"}
    for _ in range(2):
        answer = await world.submit("/waiting", "answer", onward="/waiting", **fields)
        assert printed_text(answer.text) == f"Answered approve to run {run.id}."
    assert questions(world.store.reader) == []
    (row,) = [row for row in world.site.reads.audit_rows() if row.verb == "answer"]
    assert msgspec.json.decode(row.detail) == {"question": "q1", "choice": "approve", "note": "checked"}


@pytest.mark.asyncio
async def test_late_answer_gets_the_earlier_one(world):
    """On either page; of what was never asked no one is said to have answered it."""
    run = claimed(world)
    ask(world, run)
    fields = {"run": run.id, "question": "q1", "choice": "approve"}
    await world.submit("/waiting", "answer", **fields)
    for path in ("/waiting", f"/r/{run.id}"):
        late = await world.submit(path, "answer", who="olga", **fields)
        assert (late.status_code, "already answered by ana, " in printed_text(late.text)) == (409, True)
        never = await world.submit(path, "answer", who="olga", **fields | {"question": "q9"})
        assert never.status_code == 404
    assert len([row for row in world.site.reads.audit_rows() if row.verb == "answer" and row.actor == "web:ana"]) == 1


@pytest.mark.asyncio
async def test_choice_that_is_not_offered_is_reported_in_its_place(world):
    """What was typed stays."""
    run = claimed(world)
    ask(world, run, text="Charge <b>1,204</b>?")
    answer = await world.submit("/waiting", "answer", run=run.id, question="q1", choice="aprove", note="my note")
    assert answer.status_code == 409
    assert 'class="fault" role="alert"' in answer.text
    assert 'value="my note"' in answer.text
    assert len(questions(world.store.reader)) == 1


@pytest.mark.asyncio
async def test_restricted_visitor_sees_only_its_own_questions(world):
    """And answers no others."""
    other = claimed(world, BACKUP, b"{}")
    ask(world, other, text="Delete all?")
    assert await world.visible_to("Delete all?", "/waiting", "ana", "payer") == [True, False]
    answer = await world.submit("/waiting", "answer", who="payer", run=other.id, question="q1", choice="approve")
    assert answer.status_code == 404


@pytest.mark.asyncio
async def test_secret_in_evidence_is_not_displayed(world):
    """On the page and in its files; the rest of it is."""
    run = ask_question(world, text="Use password=pw-123456?", evidence={"password": "pw-123456", "amount": 31337})
    for query in ({}, {"as": "json"}):
        text = await world.get("/waiting", **query)
        assert "pw-123456" not in text
        assert "31337" in text
    for path in ("/", "/handover", f"/r/{run}"):
        text = await world.get(path)
        assert "Use password=***" in text, path
        assert "pw-123456" not in text, path


@pytest.mark.asyncio
async def test_question_without_an_end_hides_no_other(world):
    """Anyone who asks "within" a million years is answered like the others, on every page that tells until when."""
    run = claimed(world)
    question = msgspec.json.encode({"text": "For ever?", "choices": ["yes"], "otherwise": None})
    world.store.apply(OpenWait(run.id, run.claim, "q1", "ask", "ask", 2**62, question=question))
    world.store.apply(suspend(run))
    ask_question(world, text="Charge it?")
    text = await world.get("/waiting")
    assert ("For ever?" in text, "Charge it?" in text) == (True, True)
    for path in (f"/r/{run.id}", "/", "/waiting?as=csv", "/waiting?as=json", "/runs", "/api/v1/questions"):
        await world.get(path)
    assert "9999-01-01" in await world.get("/waiting?as=csv")


@dataclass
class Refund:
    """Money back.

    amount: in <b>cents</b>
    """

    amount: int
    approved: bool
    reason: Literal["late", "broken"] = "late"
    due: date | None = None
    comment: str = ""


def ask_form(world, run, ident="ask:refund#1", name="refund", plan=NO_PLAN):
    """Let a run ask for a refund."""
    text = {"text": "Refund <b>7</b>?", "choices": [], "otherwise": None, "detailed": True}
    schema = make_form_schema(Refund)
    question = msgspec.json.encode({**text, "form": msgspec.Raw(schema)})
    world.store.apply(OpenWait(run.id, run.claim, ident, "ask", name, question=question, plan=plan))
    world.store.apply(suspend(run))


FORM = "/waiting/{}/ask%3Arefund%231"


@pytest.mark.asyncio
async def test_form_has_a_control_for_each_field(world):
    """Number, checkbox, select and date, with help that is escaped; a viewer has no button."""
    run = claimed(world)
    ask_form(world, run)
    text = await world.get(FORM.format(run.id))
    assert "Refund &lt;b&gt;7&lt;/b&gt;?" in text
    for control in ('inputmode="numeric"', 'type="checkbox"', '<option value="&#34;broken&#34;">broken', 'type="date"'):
        assert control in text
    assert text.index("amount") < text.index("approved") < text.index("comment")
    assert "in &lt;b&gt;cents&lt;/b&gt;" in text
    assert f"mainspring runs answer {run.id} --question refund --form amount=VALUE --form approved=VALUE" in text
    assert await world.visible_to("<button", FORM.format(run.id).replace("%3A", ":")) in ([True, False], [True, True])
    listed = await world.get("/waiting")
    assert FORM.format(run.id) in html.unescape(listed)
    assert FORM.format(run.id) in html.unescape(await world.get(f"/r/{run.id}"))


@pytest.mark.asyncio
async def test_secret_in_the_default_of_a_form_is_not_displayed(world):
    """On the page of the question, the list, and the page of the run."""
    run = claimed(world)
    default = {"amount": 31337, "password": "pw-123456"}
    question = {"text": "Refund?", "choices": [], "otherwise": default, "form": msgspec.Raw(make_form_schema(Refund))}
    data = msgspec.json.encode(question | {"detailed": True})
    until_at = world.clock.now() + 3_600_000
    world.store.apply(OpenWait(run.id, run.claim, "ask:refund#1", "ask", "refund", until_at, question=data))
    world.store.apply(suspend(run))
    for path in (FORM.format(run.id), "/waiting", f"/r/{run.id}"):
        text = await world.get(path)
        assert "pw-123456" not in text, path
    assert "31337" in await world.get("/waiting")


@pytest.mark.asyncio
async def test_form_reports_each_fault_at_its_field(world):
    """What was typed stays, and the question is still open."""
    run = claimed(world)
    ask_form(world, run)
    fields = {"i.amount": "many", "i.approved": "true", "i.due": "2026-01-32", "note": "my <i>note</i>"}
    answer = await world.submit(FORM.format(run.id), "answer", **fields)
    assert answer.status_code == 409
    assert "this is not a number" in answer.text
    assert 'value="many"' in answer.text
    assert 'value="true" checked' in answer.text
    assert "my &lt;i&gt;note&lt;/i&gt;" in answer.text
    late = await world.submit(FORM.format(run.id), "answer", **fields | {"i.amount": "5"})
    assert (late.status_code, "expected a date such as" in late.text) == (409, True)
    assert len(questions(world.store.reader)) == 1


@pytest.mark.asyncio
async def test_form_answers_once(world):
    """It leads to the run with what was done; an unchecked box is false."""
    run = claimed(world)
    ask_form(world, run)
    fields = {"i.amount": "5", "i.approved": "false", "note": "checked"}
    answer = await world.submit(FORM.format(run.id), "answer", onward=f"/r/{run.id}", **fields)
    assert printed_text(answer.text) == f"Answered the form (amount, approved) to run {run.id}."
    assert questions(world.store.reader) == []
    (row,) = [row for row in world.site.reads.audit_rows() if row.verb == "answer"]
    detail = msgspec.json.decode(row.detail)
    assert detail == {"question": "ask:refund#1", "form": ["amount", "approved"], "note": "checked"}


@pytest.mark.asyncio
async def test_form_that_is_sent_twice_answers_once(world):
    """The second submit of the same page leads to the run too, with the same sentence."""
    run = claimed(world)
    ask_form(world, run)
    fields = {"i.amount": "5", "i.approved": "false", "page": "p1"}
    for _ in range(2):
        answer = await world.submit(FORM.format(run.id), "answer", onward=f"/r/{run.id}", **fields)
        assert printed_text(answer.text) == f"Answered the form (amount, approved) to run {run.id}."


@pytest.mark.asyncio
async def test_late_form_names_the_earlier_author_and_keeps_what_was_typed(world):
    """Also where the time of the question ended; the page of a question that never existed is not found."""
    run = claimed(world)
    ask_form(world, run)
    fields = {"i.amount": "5", "i.approved": "false", "note": "my <i>note</i>"}
    await world.submit(FORM.format(run.id), "answer", **fields)
    late = await world.submit(FORM.format(run.id), "answer", who="olga", **fields)
    assert late.status_code == 409
    assert "already answered by ana, " in printed_text(late.text)
    assert "<dt>amount</dt><dd>5</dd>" in late.text
    assert "<dd>my &lt;i&gt;note&lt;/i&gt;</dd>" in late.text
    never = await world.submit(f"/waiting/{run.id}/q9", "answer", **fields)
    assert (never.status_code, "<dt>amount</dt><dd>5</dd>" in never.text) == (409, True)
    browser = await world.browser("ana")
    closed, missing = await browser.get(FORM.format(run.id)), await browser.get(f"/waiting/{run.id}/q9")
    assert (closed.status_code, "already answered by ana" in closed.text) == (404, True)
    assert missing.status_code == 404


@pytest.mark.asyncio
async def test_list_is_filtered_by_assignee(world):
    """The page and its files; each question names who is to answer it."""
    first, second = claimed(world), claimed(world)
    ask_form(world, first, plan=QuestionPlan("finance"))
    ask_form(world, second, plan=QuestionPlan("legal"))
    text = await world.get("/waiting?assignee=finance")
    assert (first.id in text, second.id in text, "<dd>finance</dd>" in text) == (True, False, True)
    assert len(msgspec.json.decode(await world.get("/waiting", **{"assignee": "legal", "as": "json"}))) == 1


@pytest.mark.asyncio
async def test_page_of_a_run_lists_its_answers_with_their_notes(world):
    """Also as a file; those of an earlier version have no author."""
    run = claimed(world)
    at, kind = world.store.clock.now(), OutcomeKind.ANSWER
    origin = msgspec.json.encode([at, "web:ana", "seen <b>twice</b>"])
    options = {"kind": kind, "at": at, "started_at": at, "name": "refund", "output": b'{"amount":5}', "input": origin}
    world.store.apply(outcome(run, 1, "ask:refund#1", **options))
    world.store.apply(outcome(run, 2, "ask#1", **options | {"input": None, "name": "ask", "output": b'"yes"'}))
    text = await world.get(f"/r/{run.id}")
    assert "<h2>Answers</h2>" in text
    assert "seen &lt;b&gt;twice&lt;/b&gt;" in text
    rows = msgspec.json.decode(await world.get(f"/r/{run.id}", **{"as": "json", "of": "answers"}))
    assert [(row["question"], row["by"]) for row in rows] == [("refund", "web:ana"), ("ask", None)]
