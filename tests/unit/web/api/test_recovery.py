"""What people do for runs that cannot continue by themselves, by the API; and what is sealed."""

import msgspec
import pytest

from mainspring.domain.runs.journal import QuestionPlan
from mainspring.domain.runs.log_chunk import LogChunk, pack_lines
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.triggers import AcceptDelivery
from mainspring.web.api.api_asgi import ApiApp
from tests.api_world import BACKUP, PAY, announce, sqlite_world
from tests.contract.store.deliveries import hook
from tests.contract.store.process import fail, halt, wait_for
from tests.reversing_codec import ReversingCodec

QUESTION = msgspec.json.encode({"text": "Charge it?", "choices": ["approve", "refund"]})


@pytest.mark.asyncio
async def test_failed_run_is_continued_at_once_or_later(world):
    """From where it failed; many of them at a rate, each with a time of its own."""
    ids = [world.begin() for _ in range(3)]
    for run in world.claim():
        world.store.apply(fail(run))
    await world.post(f"/runs/{ids[0]}/retry", reason="mended")
    assert (await world.get(f"/runs/{ids[0]}"))["state"] == RunState.QUEUED
    answer = await world.post("/runs/retry", name="pay", state=["failed"], rate="1/m")
    assert (answer["done"], answer["runs"]) == (2, ids[1:])
    due = [(await world.get(f"/runs/{run}"))["due_at"] for run in ids[1:]]
    assert due == ["2027-01-15T08:00:00.000Z", "2027-01-15T08:01:00.000Z"]
    answer = await world.ask("POST", "/runs/retry", json={"name": "pay", "rate": "often"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_option")


@pytest.mark.asyncio
async def test_run_that_needs_a_person_is_listed_and_abandoned(world):
    """With the cause by which it can be chosen."""
    run = world.begin()
    (claimed,) = world.claim()
    world.store.apply(halt(claimed))
    assert (await world.get("/status"))["needs_attention"] == 1
    await world.post(f"/runs/{run}/discard")
    assert (await world.get(f"/runs/{run}"))["state"] == RunState.FAILED
    assert (await world.ask("POST", f"/runs/{run}/discard", json={})).status_code == 409


@pytest.mark.asyncio
async def test_question_is_listed_and_answered_by_one_of_its_choices(world):
    """Once; another text shows the nearest choice; who sees other automations is not asked."""
    run = world.begin(BACKUP, b"{}")
    (claimed,) = world.claim()
    world.store.apply(OpenWait(run, claimed.claim, "ask", "ask", "ask", question=QUESTION))
    (question,) = (await world.get("/questions"))["items"]
    assert (question["run"], question["question"]["choices"]) == (run, ["approve", "refund"])
    assert (await world.get("/questions", who="payer"))["items"] == []
    paying = world.begin()
    (claimed,) = world.claim()
    world.store.apply(OpenWait(paying, claimed.claim, "ask", "ask", "ask", question=QUESTION))
    assert [question["run"] for question in (await world.get("/questions", who="payer"))["items"]] == [paying]
    await world.post(f"/runs/{paying}/answer", who="payer", choice="refund")
    refused = await world.ask("POST", f"/runs/{run}/answer", json={"choice": "aprove"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_argument")
    assert "approve" in refused.json()["hint"]
    for _ in range(2):
        await world.post(f"/runs/{run}/answer", key="yes", choice="approve", note="seen")
    assert (await world.get("/questions"))["items"] == []
    assert (await world.ask("POST", f"/runs/{run}/answer", json={"choice": "refund"})).status_code == 404


FORM = msgspec.json.encode(
    {
        "text": "Refund?",
        "choices": [],
        "detailed": True,
        "form": {
            "type": "object",
            "properties": {"amount": {"type": "integer", "minimum": 1}, "due": {"type": "string", "format": "date"}},
            "required": ["amount"],
            "additionalProperties": False,
        },
    }
)
MISFITS = [
    ({"form": {"amount": "5"}}, 422, "value_refused", "$.amount"),
    ({"form": {"amount": 0}}, 422, "value_refused", "$.amount"),
    ({"form": {}}, 422, "value_refused", "$.amount"),
    ({"form": {"amount": 5, "due": "soon"}}, 422, "value_refused", "$.due"),
    ({"form": {"amount": 5, "color": 1}}, 422, "value_refused", "$.color"),
    ({"choice": "yes"}, 422, "bad_argument", None),
    ({"choice": "yes", "form": {"amount": 5}}, 422, "bad_argument", None),
    ({}, 422, "bad_argument", None),
    ({"form": [5]}, 400, "bad_body", "$.form"),
    ({"form": {"amount": 5}, "note": "x" * 2_001}, 400, "bad_body", "$.note"),
]


@pytest.mark.asyncio
async def test_form_that_does_not_fit_names_the_field(world):
    """Nothing is answered; then a form that fits answers the question that it names."""
    run = world.begin()
    (claimed,) = world.claim()
    plan = QuestionPlan("finance")
    world.store.apply(OpenWait(run, claimed.claim, "ask:refund#1", "ask", "refund", question=FORM, plan=plan))
    world.store.apply(OpenWait(run, claimed.claim, "ask#1", "ask", "ask", question=QUESTION))
    for body, status, code, at in MISFITS:
        answer = await world.ask("POST", f"/runs/{run}/answer", json={"question": "refund"} | body)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem.get("at")) == (status, code, at), body
    ambiguous = await world.ask("POST", f"/runs/{run}/answer", json={"choice": "approve"})
    assert (ambiguous.status_code, "refund: Refund?" in ambiguous.json()["detail"]) == (409, True)
    (question,) = (await world.get("/questions", assignee="finance"))["items"]
    assert (question["name"], question["assignee"], len((await world.get("/questions"))["items"])) == (
        "refund",
        "finance",
        2,
    )
    await world.post(f"/runs/{run}/answer", question="refund", form={"amount": 5}, note="late")
    (fact,) = world.site.reads.run_history(run).facts
    sent = msgspec.json.decode(fact.payload)
    assert (sent["answer"], sent["note"], sent["by"]) == ({"amount": 5}, "late", "api:ann")


@pytest.mark.asyncio
async def test_delivery_is_displayed_and_replayed(world):
    """As it came, to those who see its automation; the replay is a new one."""
    announce(world.store, PAY, BACKUP, triggers=(hook("pay"),))
    command = AcceptDelivery(id="d_1", trigger="pay/webhook", key="k", body_hash="h", body=b'{"n": 1}')
    world.store.apply(command)
    (row,) = (await world.get("/deliveries", who="payer", trigger="pay/webhook"))["items"]
    page = await world.get(f"/deliveries/{row['id']}", who="payer")
    assert (page["body"], page["key"]) == ({"n": 1}, "k")
    again = await world.post("/deliveries/d_1/replay", who="payer", key="r1")
    assert again == await world.post("/deliveries/d_1/replay", who="payer", key="r1")
    assert (again["state"], again["delivery"] != "d_1") == (DeliveryState.RECEIVED, True)
    (trigger,) = (await world.get("/triggers"))["items"]
    assert (trigger["automation"], trigger["path"]) == ("pay", "/in")
    assert (await world.ask("GET", "/deliveries/none")).status_code == 404


def part(at, *texts, skipped=0):
    lines = [
        msgspec.json.encode(LogLine(at=at + place, level=Level.INFO, text=text)) for place, text in enumerate(texts)
    ]
    return LogChunk(
        ident="s", attempt=1, first_at=at, last_at=at, lines=len(lines), size=9, body=pack_lines(lines), skipped=skipped
    )


@pytest.mark.asyncio
async def test_lines_of_a_run_are_read_part_by_part(world):
    """Each once, in order, with a word where some are missing."""
    run = world.begin()
    world.store.apply(SaveLogs(run, (part(1, "a", "b"), part(10, "c"), part(20, "d", skipped=5))))
    whole = [line["text"] for line in (await world.get(f"/runs/{run}/logs"))["items"]]
    assert [text for text in whole if len(text) == 1] == ["a", "b", "c", "d"]
    assert "5 lines are missing" in whole[3]
    page, seen = await world.get(f"/runs/{run}/logs", limit=1), []
    while True:
        seen += [line["text"] for line in page["items"]]
        if page["next"] is None:
            break
        page = await world.get(f"/runs/{run}/logs", limit=1, cursor=page["next"])
    assert seen == whole
    assert (await world.get(f"/runs/{run}/logs", level="error"))["items"] == []
    newest = (await world.get("/logs", who="payer", since="1970-01-01T00:00:00Z"))["items"]
    assert [(line["text"], line["run"]) for line in newest] == [(text, run) for text in "abcd"]
    assert (await world.get("/logs", since="1970-01-01T00:00:00Z", automation="backup"))["items"] == []
    other = world.begin(BACKUP, b"{}")
    world.store.apply(SaveLogs(other, (part(30, "x"),) * 510))
    for query in ({}, {"automation": "pay"}):
        newest = (await world.get("/logs", who="payer", since="1970-01-01T00:00:00Z", **query))["items"]
        assert [line["text"] for line in newest] == list("abcd"), query
    assert (await world.get("/logs", who="payer", since="1970-01-01T00:00:00Z", automation="backup"))["items"] == []
    assert (await world.get("/logs"))["items"] == []
    assert (await world.ask("GET", f"/runs/{run}/logs", params={"cursor": "x"})).status_code == 422


@pytest.mark.asyncio
async def test_last_lines_of_a_run_come_first_where_they_are_wanted(world):
    """Of a step by name or identity, of those that hold a text; each once, from part to part."""
    run = world.begin()
    other = msgspec.structs.replace(part(15, "Other"), ident="o#1")
    world.store.apply(SaveLogs(run, (part(1, "a", "b"), part(10, "c"), other, part(20, "d", skipped=5))))
    path = f"/runs/{run}/logs"
    page = await world.get(path, last=True, limit=1)
    assert [line["text"] for line in page["items"]][1:] == ["d"]
    assert "5 lines are missing" in page["items"][0]["text"]
    seen = []
    while page["next"] is not None:
        page = await world.get(path, last=True, limit=1, cursor=page["next"])
        seen[:0] = [line["text"] for line in page["items"]]
    assert seen == ["a", "b", "c", "Other"]
    assert [line["text"] for line in (await world.get(path, last=True, step="s"))["items"]] == list("abcd")
    for last in (True, False):
        assert [item["text"] for item in (await world.get(path, last=last, step="o#1"))["items"]] == ["Other"]
        assert [item["text"] for item in (await world.get(path, last=last, q="OTH"))["items"]] == ["Other"]
        assert (await world.get(path, last=last, q="nothing"))["items"] == []


@pytest.mark.asyncio
async def test_sealed_value_is_opened_by_a_codec_holder(tmp_path):
    """Values in and out; without it they stay closed and say so, and nothing is added in plain."""
    world = sqlite_world(tmp_path, Sealing(ReversingCodec()))
    run = (await world.post("/automations/pay/runs", input={"amount": 7}))["run"]
    assert b"amount" not in world.site.reads.run_history(run).run.input
    assert (await world.get(f"/runs/{run}"))["input"] == {"amount": 7}
    (claimed,) = world.claim()
    world.store.apply(wait_for(claimed, where={"n": 1}))
    assert (await world.post("/events", name="paid", data={"n": 1}))["woken"] == 1
    assert (await world.get("/events"))["items"][0]["data"] == {"n": 1}
    world.api.close()
    world.site = msgspec.structs.replace(world.site, sealing=PLAIN_SEALING)
    world.serve(ApiApp(world.authenticator, world.site))
    assert (await world.get(f"/runs/{run}"))["input"]["sealed"] == "turned"
    answer = await world.ask("POST", f"/runs/{run}/signal", json={"name": "go", "value": 1})
    assert (answer.status_code, "codec" in answer.json()["hint"]) == (409, True)
    world.api.close()
    world.store.close()
