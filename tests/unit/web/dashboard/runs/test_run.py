"""`/r/{run}`: what failed and why, what can be done, each step and its log; each button works once, errors are reported at their place."""

import io
import json
import re

import pytest
from msgspec.structs import replace

from mainspring.app.stores.blob_place import make_large_values
from mainspring.config import Settings
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts.file_ref import FileRef, put_file
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run import mark_done
from mainspring.service.runs.run_start import start
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.runs import ParentLink, StartRun
from mainspring.store.read.runs.run_views import run_view
from mainspring.web.dashboard.runs import run_comparison
from tests.api_world import BACKUP, PAY, announce
from tests.contract.store.process import BOOM, fail, finish, halt, outcome, suspend
from tests.contract.store.test_streams import write
from tests.reversing_codec import ReversingCodec
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import HOSTILE, ORDER, ask_question, claimed, failed, lines


def state(world, run):
    return run_view(world.store.reader, run).state


def section(text, start, end="<h2"):
    """Return what stands between a heading and the next one."""
    return text.partition(start)[2].partition(end)[0]


def log_of(text):
    return re.findall(r'<span class="text">(.*?)</span>', text)


@pytest.mark.asyncio
async def test_failed_run_has_error_cause_and_retry(world):
    """The four answers, the error in full, the log at the failed step, each act with its command line."""
    run = failed(world)
    text = await world.get(f"/r/{run}")
    assert "It failed at step upload" in section(text, 'class="headline">', "</p>")
    assert "The error is permanent, so Mainspring does not retry." in text
    assert "Nothing more happens by itself." in text
    assert f"mainspring runs retry {run}</code>" in text
    assert f"mainspring runs retry {run} --from-step dump" in text
    assert '<button name="act" value="retry" class="first">Retry from the failed step</button>' in text
    assert f'href="/a/pay/run?from={run}"' in text
    assert log_of(text) == ["connecting", "403 AccessDenied"]
    assert 'data-nouns="runs incidents"' in text


@pytest.mark.asyncio
async def test_retry_is_done_once_and_reported(world):
    """From where it failed, and from a step that is chosen: that in a new generation."""
    run = failed(world)
    first = await world.submit(f"/r/{run}", "retry", who="olga", offer="retry-", page="p1")
    assert printed_text(first.text) == f"Done: retry run {run}."
    assert state(world, run) is RunState.QUEUED
    assert printed_text(
        (await world.submit(f"/r/{run}", "retry", who="olga", offer="retry-", page="p1")).text
    ) == printed_text(first.text)
    assert [operation for operation in world.auth.operations() if operation[0] == "retry"] == [
        ("retry", f"run:{run}", "web:olga")
    ]
    other = failed(world)
    await world.submit(f"/r/{other}", "retry", from_step="dump", reason="new dump")
    assert run_view(world.store.reader, other).generation == 1
    text = await world.get(f"/r/{other}")
    assert "2 superseded by generation 1" in text
    assert "superseded" in await world.get(f"/r/{other}/journal")


@pytest.mark.asyncio
async def test_operation_that_cannot_be_done_is_reported_on_the_page(world):
    """With its state as it is now; nothing was done."""
    run = failed(world)
    await world.submit(f"/r/{run}", "retry", page="p1")
    answer = await world.submit(f"/r/{run}", "retry", page="p2")
    assert answer.status_code == 409
    assert 'class="message failing"' in answer.text
    answer = await world.submit(f"/r/{run}", "retry", from_step="nope", page="p3")
    assert answer.status_code == 409


@pytest.mark.asyncio
async def test_run_is_cancelled_discarded_and_undone(world):
    """Each asks once more with a sentence, and stands in the audit log with why."""
    queued = world.begin()
    text = await world.get(f"/r/{queued}")
    assert 'class="button harm">Cancel</summary>' in text
    await world.submit(f"/r/{queued}", "cancel", reason="wrong one")
    assert state(world, queued) == RunState.CANCELLED
    run = claimed(world)
    world.store.apply(halt(run, "s1"))
    assert "<p>Discard it: it fails.</p>" in await world.get(f"/r/{run.id}")
    await world.submit(f"/r/{run.id}", "discard", reason="not worth it")
    assert state(world, run.id) == RunState.FAILED
    announce(world.store, PAY, BACKUP, ORDER)
    undoable = claimed(world, ORDER, b"{}")
    world.store.apply(outcome(undoable, 1, "charge", undo="m:refund"))
    world.store.apply(fail(undoable, "s2", rank=1))
    assert "Roll it back" in await world.get(f"/r/{undoable.id}")
    await world.submit(f"/r/{undoable.id}", "cancel", undo="yes")
    assert run_view(world.store.reader, undoable.id).undoing
    reasons = [row.reason for row in world.site.reads.audit_rows() if row.reason]
    assert reasons == ["not worth it", "wrong one"]


@pytest.mark.asyncio
async def test_run_that_a_later_success_settled_has_no_button_to_retry_it(world):
    """The page names the run that settled it."""
    same = replace(PAY, options={"healthy": "automation"})
    run = failed(world, same)
    good = claimed(world, same)
    world.store.apply(finish(good))
    text = await world.get(f"/r/{run}")
    assert f"It is settled: run {good.id}, a later run of pay, succeeded" in text
    assert '<button name="act" value="retry"' not in text
    assert f"mainspring runs show {good.id}" in text


@pytest.mark.asyncio
async def test_success_that_a_person_declared_is_reported_on_the_page(world):
    """Who, and why, as the headline."""
    run = world.begin()
    act = operation_context(Actor.cli("ann", "box"), world.clock, reason="the bank confirmed it")
    mark_done(world.store, run, act=act)
    headline = section(await world.get(f"/r/{run}"), 'class="headline">', "</p>")
    assert "cli:ann@box declared it done at" in headline
    assert "the bank confirmed it" in headline


@pytest.mark.asyncio
async def test_question_is_answered_on_the_page(world):
    """By one of its choices; without one it is reported, and so is one that it does not offer."""
    run = ask_question(world, text=f"Charge {HOSTILE}?")
    text = await world.get(f"/r/{run}")
    assert "Charge &lt;script&gt;alert(1)&lt;/script&gt;?" in section(text, "<legend>", "</legend>")
    assert re.findall(r'name="choice" value="(\w+)"', text) == ["approve", "refund"]
    offer = re.search(r'name="offer" value="(answer-[^"]+)"', text)[1]
    for choice, error in (("", "the answer is missing"), ("maybe", "maybe")):
        answer = await world.submit(f"/r/{run}", "answer", question="q1", choice=choice, offer=offer, note="my note")
        assert answer.status_code == 409
        assert error in section(answer.text, '<p class="fault" role="alert">', "</p>")
        assert 'value="my note"' in answer.text
    await world.submit(f"/r/{run}", "answer", question="q1", choice="approve", note="seen")
    (fact,) = world.site.reads.run_history(run).facts
    assert fact.payload == b'"approve"'


@pytest.mark.asyncio
async def test_answer_in_any_words_that_does_not_fit_stays_typed_with_its_note(world):
    """As one of several choices does."""
    run = ask_question(world, choices=[])
    offer = re.search(r'name="offer" value="(answer-[^"]+)"', await world.get(f"/r/{run}"))[1]
    answer = await world.submit(f"/r/{run}", "answer", question="q1", choice=" ", offer=offer, note="my note")
    assert answer.status_code == 409
    assert 'value="my note"' in answer.text


@pytest.mark.asyncio
async def test_result_of_a_step_is_given_as_json(world):
    """What is none is reported at its field, with what was typed; sent right, the run continues."""
    run = claimed(world)
    world.store.apply(outcome(run, 1, "charge", state=OutcomeState.IN_DOUBT, failure=BOOM, output=None))
    world.store.apply(halt(run, "charge", FailureReason.IN_DOUBT, rank=1))
    text = await world.get(f"/r/{run.id}")
    offer = re.search(r'name="offer" value="(give-result-[^"]+)"', text)[1]
    answer = await world.submit(f"/r/{run.id}", "give-result", step="charge", value=f"{{{HOSTILE}", offer=offer)
    assert answer.status_code == 409
    assert "this is not JSON" in section(answer.text, '<p class="fault" role="alert">', "</p>")
    assert "{&lt;script&gt;" in section(answer.text, "<textarea", "</textarea>")
    assert state(world, run.id) == RunState.NEEDS_ATTENTION
    await world.submit(f"/r/{run.id}", "give-result", step="charge", value='{"id": 7}', offer=offer)
    assert state(world, run.id) == RunState.QUEUED
    (fact,) = world.site.reads.run_history(run.id).facts
    assert fact.payload == b'{"id":7}'


@pytest.mark.asyncio
async def test_signal_that_is_waited_for_is_sent(world):
    """Its name is the one that the run waits for."""
    run = claimed(world)
    waits = b'[{"kind":"signal","name":"go on","ident":"receive#1","until_at":null}]'
    world.store.apply(replace(suspend(run), waiting_for=waits))
    text = await world.get(f"/r/{run.id}")
    assert ">Send go on</summary>" in text
    await world.submit(f"/r/{run.id}", "signal", name="go on", value="[1]")
    (fact,) = world.site.reads.run_history(run.id).facts
    assert (fact.kind, fact.name, fact.payload) == ("signal", "go on", b"[1]")


def attempt(run, number, **options):
    given = {
        "state": AttemptState.FAILED,
        "failure": BOOM,
        "started_at": 10 * number,
        "ended_at": 10 * number + 5,
    } | options
    return SaveAttempt(
        run=run.id,
        claim=run.claim,
        ident="up#1",
        name="up",
        generation=0,
        attempt=number,
        request_number=1,
        automation=run.automation,
        **given,
    )


@pytest.mark.asyncio
async def test_every_attempt_has_its_own_error_and_its_own_log(world):
    """Reached from the attempt's own link; retries are hollow, waits between them dotted; the input is there while it continues."""
    run = claimed(world)
    other = replace(BOOM, message="another one")
    world.store.apply(attempt(run, 1))
    world.store.apply(attempt(run, 2, failure=other, next_at=world.clock.now() + 60_000, input=b'{"file":"x"}'))
    parts = (lines("up#1", "try one"), lines("up#1", "try two", attempt=2))
    world.store.apply(SaveLogs(run.id, parts))
    world.store.apply(suspend(run, due_at=world.clock.now() + 60_000, state=RunState.RETRYING))
    text = await world.get(f"/r/{run.id}")
    assert re.findall(r'<(rect|line) class="(\w+)', text) == [("rect", "hollow"), ("line", "dots")] * 2
    assert "Step up failed at attempt 2: ValueError: another one" in text
    assert "another one" in section(text, '<div class="failure">', "</div>")
    assert log_of(text) == ["try one", "try two"]
    link = f"/r/{run.id}?step=up%231&amp;attempt=2#step"
    assert f'href="{link}"' in text
    text = await world.get(link.replace("&amp;", "&").partition("#step")[0])
    step = section(text, 'id="step"')
    assert "it broke" in step
    assert "another one" in section(step, 'class="chosen"', "</li>")
    assert "&#34;file&#34;: &#34;x&#34;" in step
    assert log_of(text) == ["try two"]
    assert log_of(await world.get(f"/r/{run.id}", step="up")) == ["try one", "try two"]


@pytest.mark.asyncio
async def test_log_is_filtered_and_read_backwards(world):
    """By step, level and text; by default at the step that failed; older lines are a link away; all of it can be taken along."""
    run = failed(world)
    world.store.apply(SaveLogs(run, tuple(lines("dump", f"row {n}", at=n) for n in range(1, 251))))
    (errors_only,) = re.findall(r'href="([^"]+)">errors only', await world.get(f"/r/{run}"))
    text = await world.get(errors_only.partition("#")[0])
    assert log_of(text) == log_of(await world.get(f"/r/{run}", level="error")) == ["403 AccessDenied"]
    assert f'href="/r/{run}#log">all levels' in text
    assert log_of(await world.get(f"/r/{run}", q="CONN")) == ["connecting"]
    assert "No line matches." in await world.get(f"/r/{run}", q="nothing")
    text = await world.get(f"/r/{run}", step="dump")
    assert log_of(text) == [f"row {n}" for n in range(51, 251)]
    older = re.search(r'href="(/r/[^"]+older=[^"]+)#log"', text)[1].replace("&amp;", "&")
    assert log_of(await world.get(older)) == [f"row {n}" for n in range(1, 51)]
    browser = await world.browser()
    steps = json.loads((await browser.get(f"/r/{run}?step=*&as=json")).content)
    assert len(steps) == 252
    assert "unknown field" in printed_text(await world.get(f"/r/{run}", stepp="x", status=400))


@pytest.mark.asyncio
async def test_streams_show_their_last_values_that_count(world):
    """As text, without secrets and markup; the table is an export, too."""
    run = claimed(world)
    world.store.apply(write(run, "old", stream="words"))
    world.store.apply(write(run, "<b>new</b>", {"n": 1}, stream="words", attempt=2))
    section_text = section(await world.get(f"/r/{run.id}"), "<h2>Streams</h2>")
    assert "&lt;b&gt;new&lt;/b&gt;" in section_text
    assert "{&#34;n&#34;:1}" in section_text
    assert "old" not in section_text
    exported = await world.get(f"/r/{run.id}?as=json&of=streams")
    assert json.loads(exported)[0]["name"] == "words"


@pytest.mark.asyncio
async def test_files_are_listed_and_downloaded(tmp_path, world):
    """A run without files has no such section; who may not download has no link. Files with equal bytes keep their names."""
    sealing = Sealing(large=make_large_values(tmp_path / "s.db", world.clock.now))
    files = [
        put_file(FileRef, StoreFileChunks(sealing), io.BytesIO(b"a,b"), name, None) for name in ("<b>.csv", "copy.csv")
    ]
    files.append(put_file(FileRef, StoreFileChunks(sealing), io.BytesIO(b"other"), "other.csv", None))
    run, empty = claimed(world), claimed(world)
    world.store.apply(finish(run, result=sealing.seal(encode(files))))
    assert "<h2>Files</h2>" not in await world.get(f"/r/{empty.id}")
    world.use(Settings(), sealing)
    text = section(await world.get(f"/r/{run.id}", who="olga"), "<h2>Files</h2>")
    assert "&lt;b&gt;.csv" in text
    assert ">3B</td>" in text
    links = re.findall(r'href="(/api/[^"]*)" download', text)
    assert links == [f"/api/v1/runs/{run.id}/files/{name}" for name in ("1", "2", files[2].sha256)]
    browser = await world.browser("olga")
    for link, name, content in zip(
        links, ("_b_.csv", "copy.csv", "other.csv"), (b"a,b", b"a,b", b"other"), strict=True
    ):
        response = await browser.get(link)
        assert (response.status_code, response.content) == (200, content)
        assert f'filename="{name}"' in response.headers["content-disposition"]
        assert response.headers["content-security-policy"].startswith("sandbox")
    assert (await browser.get(links[0], headers={"sec-fetch-site": "cross-site"})).status_code == 403
    seen = section(await world.get(f"/r/{run.id}", who="vic"), "<h2>Files</h2>")
    assert ("copy.csv" in seen, "/api/" in seen) == (True, False)
    exported = json.loads(await world.get(f"/r/{run.id}?as=json&of=files"))
    assert [(row["name"], row["size"], row["place"]) for row in exported][1:] == [
        ("copy.csv", 3, "result"),
        ("other.csv", 5, "result"),
    ]


@pytest.mark.asyncio
async def test_files_of_an_absent_codec_name_the_fix(tmp_path, world):
    """The page has everything else."""
    sealing = Sealing(ReversingCodec(), large=make_large_values(tmp_path / "s.db", world.clock.now))
    file = put_file(FileRef, StoreFileChunks(sealing), io.BytesIO(b"a,b"), "report.csv", None)
    run = claimed(world)
    world.store.apply(finish(run, result=sealing.seal(encode(file))))
    world.use(Settings(), Sealing(large=sealing.large))
    text = section(await world.get(f"/r/{run.id}"), "<h2>Files</h2>")
    assert "They cannot be listed: " in text
    assert "[store] codec" in text
    assert "report.csv" not in text


@pytest.mark.asyncio
async def test_running_run_moves_by_itself(world):
    """It hears of lines and of what it says of its progress; one that ended well hears of nothing."""
    run = claimed(world)
    world.store.apply(SaveCheckpoint(run.id, run.claim, "load#1", b'{"row":3}', 3, 9))
    text = await world.get(f"/r/{run.id}")
    assert 'data-nouns="runs logs questions incidents"' in text
    assert "mainspring runs logs" in text
    assert f"{run.id} -f" in text
    assert "load#1</a> 3 of 9" in text
    assert "Journal: 0 outcomes" in text
    world.store.apply(outcome(run, 1, "load"))
    assert "Journal: 1 outcome<" in await world.get(f"/r/{run.id}")
    assert ">0+</a>" in await world.get("/runs", name="pay")
    world.store.apply(finish(run, rank=1, result=b'{"sent":2}'))
    assert ">1</a>" in await world.get("/runs", name="pay")
    text = await world.get(f"/r/{run.id}")
    assert 'data-nouns=""' in text
    assert "It succeeded" in text
    assert "&#34;sent&#34;: 2" in text


@pytest.mark.asyncio
async def test_run_is_compared_with_the_last_good_one(world, monkeypatch):
    """By itself where it failed; where it ended well, when asked."""
    good = claimed(world, data=b'{"amount":1,"to":"eva"}')
    world.store.apply(finish(good))
    bad = failed(world)
    found = section(await world.get(f"/r/{bad}"), "Compared with the last success")
    assert good.id in found
    assert "input.to" in found
    assert "Compared with" not in await world.get(f"/r/{good.id}")
    text = await world.get(f"/r/{good.id}", compare=bad)
    assert "Compared with another run" in text
    monkeypatch.setattr(run_comparison, "_COMPARABLE", 1)
    assert f"mainspring runs diff {bad} {good.id}" in printed_text(
        await world.get(f"/r/{good.id}", compare=bad, status=409)
    )
    assert "no earlier run of pay succeeded" in printed_text(
        await world.get(f"/r/{good.id}", compare="last", status=404)
    )


@pytest.mark.asyncio
async def test_family_of_a_run_is_linked(world):
    """Children below it, the parent beside it; of what a visitor may not see only the id is known."""
    parent = claimed(world, BACKUP, b"{}")
    child = StartRun(
        id="r_child",
        automation="pay",
        kind="task",
        version=1,
        input=b"{}",
        codec="json",
        trigger=f"child of {parent.id}",
        parent=ParentLink(parent.id, "pay#1", parent.claim),
    )
    world.store.apply(child)
    assert 'href="/r/r_child"' in section(await world.get(f"/r/{parent.id}"), "<h2>Children")
    assert f'href="/r/{parent.id}"' in await world.get("/r/r_child")
    text = await world.get("/r/r_child", who="payer")
    assert f'href="/r/{parent.id}"' not in text
    assert "backup" not in text
    await world.get(f"/r/{parent.id}", who="payer", status=404)
    await world.get(f"/r/{parent.id}/journal", who="payer", status=404)


@pytest.mark.asyncio
async def test_hostile_text_is_only_text(world):
    """In names, errors, logs, values, questions and what is asked for."""
    run = claimed(world, data=b'{"amount":1,"to":"<script>alert(1)</script>"}')
    bad = Failure(HOSTILE, "x", f"{HOSTILE}\n{HOSTILE}", FailureKind.PERMANENT, HOSTILE, frames=[HOSTILE])
    world.store.apply(outcome(run, 1, HOSTILE, failure=bad, state=OutcomeState.FAILED, output=None))
    world.store.apply(SaveLogs(run.id, (lines(HOSTILE, HOSTILE),)))
    world.store.apply(replace(fail(run, HOSTILE, rank=1), failure=bad))
    for text in (
        await world.get(f"/r/{run.id}"),
        await world.get(f"/r/{run.id}", step=HOSTILE, q=HOSTILE),
        await world.get(f"/r/{run.id}", step=f"{HOSTILE}?"),
        await world.get(f"/r/{run.id}/journal"),
        await world.get("/runs"),
    ):
        assert HOSTILE not in text
        assert "<script>" not in text


@pytest.mark.asyncio
async def test_run_of_many_steps_is_rendered_in_bounds(world):
    """What did not end well and the newest, the rest in the journal; nothing is read that is not drawn."""
    run = claimed(world)
    steps = [
        outcome(run, rank, f"row#{rank}", **({"state": OutcomeState.FAILED, "failure": BOOM} if rank == 5 else {}))
        for rank in range(1, 601)
    ]
    for step in steps:
        world.store.submit(step, lambda _: None)
    world.store.apply(finish(run, rank=600))
    text = await world.get(f"/r/{run.id}")
    numbers = re.findall(r'href="[^"]*step=row%23(\d+)#step"', text)
    assert numbers == ["5", *(str(n) for n in range(586, 601))]
    assert ">584 more</a>" in text
    assert "Journal: 600 outcomes" in text
    assert len(text) < 60_000
    journal = await world.get(f"/r/{run.id}/journal", limit=2)
    assert re.findall(r'data-name="Rank" class="number">(\d+)<', journal) == ["600", "599"]
    browser = await world.browser()
    rows = json.loads((await browser.get(f"/r/{run.id}/journal?as=json")).content)
    assert [rows[0]["rank"], rows[-1]["rank"], rows[-5]["state"]] == [600, 1, "failed"]


@pytest.mark.asyncio
async def test_viewer_sees_what_could_be_done_and_no_button(world):
    """The command lines stay: anyone who may act may see them."""
    run = failed(world)
    assert await world.visible_to('name="act"', f"/r/{run}") == [True, False]
    assert await world.visible_to(f"mainspring runs retry {run}", f"/r/{run}") == [True, True]


@pytest.mark.asyncio
async def test_sealed_values_are_reported(world):
    """Nothing of them is shown; the rest of the page is there."""
    act = operation_context(Actor.cli("ann", "box"), world.clock)
    run = start(world.store, world.clock, PAY, b'{"amount":77123}', act=act, sealing=Sealing(ReversingCodec())).run
    text = await world.get(f"/r/{run}")
    assert "sealed by codec &#39;turned&#39;" in section(text, "Input and output")
    assert "77123" not in text
    assert "32177" not in text


@pytest.mark.asyncio
async def test_secret_is_nowhere_in_what_a_run_took_and_gave(world):
    """Input, values of steps, the journal, what differs, and each of these as a file; what stands beside it is there."""
    claimed(world, data=b'{"amount":1}')
    world.store.apply(finish(claimed(world, data=b'{"amount":7,"password":"pw-first"}')))
    run = claimed(world, data=b'{"amount":31337,"password":"pw-123456"}')
    at = {"started_at": world.clock.now(), "at": world.clock.now()}
    world.store.apply(
        outcome(run, 1, "upload", input=b'[{"token":"tk-123456"}]', output=b'{"secret":"sc-123456"}', **at)
    )
    world.store.apply(fail(run, "upload", rank=1))
    path = f"/r/{run.id}"
    found = [await world.get(path, step="upload"), await world.get(f"{path}/journal")]
    found += [await world.get(path, of="differences", **{"as": "json"})]
    found += [await world.get(f"{path}/journal", **{"as": kind}) for kind in ("csv", "json")]
    for text in found:
        assert not re.search("pw-first|pw-123456|tk-123456|sc-123456", text)
        assert "***" in text
    assert "31337" in found[0]
    assert "31337" in found[2]


@pytest.mark.asyncio
async def test_fan_out_is_one_line_on_the_page(world):
    """Many calls of one step with what came of them; those that failed below it, each call on demand."""
    run = claimed(world)
    for rank in range(1, 366):
        bad = OutcomeState.FAILED if rank in (5, 50, 300) else OutcomeState.SUCCEEDED
        saved = outcome(run, rank, f"clean_file#{rank}", state=bad, at=121, duration_us=120_000)
        world.store.apply(replace(saved, name="clean_file"))
    world.store.apply(finish(run, rank=365))
    text = await world.get(f"/r/{run.id}")
    assert "<strong>clean_file x 365</strong>: 362 ok, 3 failed, p95 120ms" in text
    steps_section = section(text, "<h2>Steps", "<h2")
    assert re.findall(r"clean_file#\d+", re.sub(r"<a [^>]*>", "", steps_section)) == [
        "clean_file#5",
        "clean_file#50",
        "clean_file#300",
    ]
    assert "?every=true" in text
    every = await world.get(f"/r/{run.id}?every=true")
    assert "clean_file x 365" not in every
    assert "clean_file#365" in every


@pytest.mark.asyncio
async def test_page_is_found_by_the_end_of_its_id(world):
    """As the command line shows it; the search leads there."""
    run = failed(world)
    assert f"mainspring runs retry {run}" in await world.get(f"/r/{run[-6:]}")
    answer = await (await world.browser("ana")).get(f"/search?q={run[-6:]}")
    assert answer.headers["location"] == f"/r/{run}"


@pytest.mark.asyncio
async def test_run_is_paused_and_resumed_by_buttons(world):
    """The page says who paused it and since when, and what it keeps."""
    run = start(
        world.store, world.clock, PAY, b'{"amount": 1}', act=operation_context(Actor("cli", "ann"), world.clock)
    ).run
    await world.submit(f"/r/{run}", "pause", who="olga", reason="look first", page="p1")
    assert state(world, run) is RunState.PAUSED
    text = await world.get(f"/r/{run}")
    assert "It was paused now by web:olga: look first." in text
    assert "It does not continue before a person resumes it." in text
    assert f"mainspring runs resume {run}</code>" in text
    assert run in await world.get("/runs?state=paused")
    await world.submit(f"/r/{run}", "resume", page="p2")
    assert state(world, run) is RunState.QUEUED


@pytest.mark.asyncio
async def test_ended_workflow_is_forked_by_a_button(world):
    """From the step that is chosen; the page of the fork says where it comes from."""
    announce(world.store, ORDER)
    run = claimed(world, ORDER, b"{}")
    world.store.apply(outcome(run, 1))
    world.store.apply(outcome(run, 2))
    world.store.apply(finish(run, rank=2))
    text = await world.get(f"/r/{run.id}")
    assert "Fork from step" in text
    browser = await world.browser()
    answer = await browser.submit(f"/r/{run.id}", "fork", from_step="s2", page="p1")
    text = (await browser.get(answer.headers["location"].partition("?")[0])).text
    assert f"It is a fork of run {run.id} from step s2, and inherited 1 outcome." in text
