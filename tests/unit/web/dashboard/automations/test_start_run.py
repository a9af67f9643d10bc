"""A run by a form: it is filled in, told what is wrong with it at its place, and starts what was typed, once."""

import html
import re

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.redaction.redactor import Redactor
from mainspring.domain.values.sealing import Sealing
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.read.runs.run_views import list_runs, run_history, run_view
from mainspring.web.auth.middleware import LARGEST_FORM, MOST_FIELDS
from tests.api_world import PAY, announce
from tests.hostile import PAYLOADS
from tests.reversing_codec import ReversingCodec
from tests.unit.web.dashboard.page_world import OWN, hidden, printed_text

ORDER = Definition(
    kind=DefinitionKind.TASK,
    name="<script>order/1",
    doc="Takes <b>an order</b>.",
    parameters={
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "colour": {"enum": ["red", "<script>alert(1)</script>"], "default": "red"},
            "to": {"$ref": "#/$defs/Address"},
            "lines": {"type": "array", "items": {"type": "string"}, "default": []},
            "password": {"type": "string", "default": ""},
        },
        "required": ["day", "to"],
        "additionalProperties": False,
        "$defs": {
            "Address": {
                "type": "object",
                "properties": {
                    "street": {"type": "string", "description": "With <i>number</i>."},
                    "zip": {"type": "integer"},
                },
                "required": ["street", "zip"],
            }
        },
    },
)
PATH = "/a/%3Cscript%3Eorder%2F1/run"


def value_of(text, name):
    """Return what stands in an input of a page."""
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', text)
    return found and found[1]


def runs(world, name="pay"):
    return list_runs(world.store.reader, name=name).runs


@pytest.mark.asyncio
async def test_form_starts_what_was_typed_once(world):
    """And leads to the run, with who did it and why on record."""
    answer = await world.submit(
        "/a/pay/run", "start", **{"i.amount": "7", "i.to": "bob", "reason": "asked for"}, page="p1"
    )
    (row,) = runs(world)
    assert answer.request.url.path == f"/r/{row.id}"
    run = run_view(world.store.reader, row.id)
    assert msgspec.json.decode(run.input) == {"amount": 7, "to": "bob"}
    await world.submit("/a/pay/run", "start", **{"i.amount": "7", "i.to": "bob", "reason": "asked for"}, page="p1")
    assert len(runs(world)) == 1
    assert [operation for operation in world.auth.operations() if operation[0] == "start"] == [
        ("start", "automation:pay", "web:ana")
    ]


@pytest.mark.asyncio
async def test_form_is_filled_in_as_the_last_run_was(world):
    """Or another one, or with defaults; its command line is that of what stands there."""
    first = world.begin(data=b'{"amount":1,"to":"eve"}')
    world.begin(data=b'{"amount":2}')
    text = await world.get("/a/pay/run")
    assert (value_of(text, "i.amount"), value_of(text, "i.to")) == ("2", "ana")
    assert "mainspring run pay &#39;{&#34;amount&#34;:2,&#34;to&#34;:&#34;ana&#34;}&#39;" in text
    text = await world.get("/a/pay/run", **{"from": first})
    assert (value_of(text, "i.amount"), value_of(text, "i.to")) == ("1", "eve")
    text = await world.get("/a/pay/run", blank="true")
    assert (value_of(text, "i.amount"), value_of(text, "i.to")) == ("", "ana")
    assert "no run of backup" in printed_text(await world.get("/a/backup/run", status=404, **{"from": first}))
    await world.get("/a/pay/run", status=404, **{"from": "r_nothing"})


@pytest.mark.asyncio
async def test_error_is_at_its_field_and_input_stays(world):
    """Nothing is started."""
    typed = {"i.amount": "many", "i.to": "<b>", "at": "never", "queue": "q\x01", "tags": "x", "priority": "high"}
    typed["retry"] = "often"
    answer = await world.submit("/a/pay/run", "start", **typed, more={"headers": "a=1\na=2"})
    assert answer.status_code == 409
    text = answer.text
    assert "nothing was started" in printed_text(text)
    assert (value_of(text, "i.amount"), value_of(text, "i.to")) == ("many", "&lt;b&gt;")
    assert "this is not a number" in text[text.index('id="about-i.amount"') :].partition("</div>")[0]
    for name in ("at", "tags", "priority", "headers", "retry"):
        assert 'class="fault"' in text[text.index(f'id="about-option-{name}"') :].partition("</div>")[0], name
    assert '<details class="options" open>' in text
    assert runs(world) == []
    answer = await world.submit("/a/pay/run", "start", **{"i.amount": "7", "i.to": "x", "priority": str(2**40)})
    assert 'class="fault"' in answer.text[answer.text.index('id="about-option-priority"') :].partition("</div>")[0]


@pytest.mark.asyncio
async def test_nested_and_hostile_names_are_rendered_and_read(world):
    """Faults of the schema itself stand at the inner field."""
    announce(world.store, PAY, ORDER)
    text = await world.get(PATH)
    assert "<script>alert" not in text
    assert "<i>number" not in text
    assert "<legend>to" in text
    whole = {
        "i.day": "2026-01-05",
        "i.at": "2026-03-29T01:30",
        "z.at": "Europe/Berlin",
        "i.colour": '"red"',
        "i.to.street": "x",
    }
    answer = await world.submit(PATH, "start", **whole, **{"i.to.zip": "1.5", "j.lines": '["a"]'})
    assert "not a whole number" in answer.text[answer.text.index('id="about-i.to.zip"') :].partition("</div>")[0]
    answer = await world.submit(PATH, "start", **whole, **{"i.to.zip": "1", "j.lines": "[1]"})
    assert "expected" in answer.text[answer.text.index('id="about-j.lines"') :].partition("</div>")[0]
    assert "[1]" in answer.text
    answer = await world.submit(PATH, "start", **whole, **{"i.to.zip": "1", "j.lines": '["a"]'})
    run = run_view(world.store.reader, runs(world, ORDER.name)[0].id)
    assert msgspec.json.decode(run.input) == {
        "day": "2026-01-05",
        "at": "2026-03-29T01:30:00+01:00",
        "colour": "red",
        "to": {"street": "x", "zip": 1},
        "lines": ["a"],
    }


@pytest.mark.asyncio
async def test_no_text_from_outside_is_taken_for_html(world):
    """In names, words, choices, defaults and inputs alike."""
    properties = {
        text: {"anyOf": [{"type": "string"}, {"type": "null"}], "default": text, "description": text}
        for text in PAYLOADS
    }
    properties["choice"] = {"enum": list(PAYLOADS)}
    schema = {"type": "object", "properties": properties, "required": [], "additionalProperties": True}
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="hostile", doc=PAYLOADS[0], parameters=schema))
    announced = Definition(kind=DefinitionKind.TASK, name="hostile", parameters=schema)
    world.begin(announced, msgspec.json.encode({text: text for text in PAYLOADS} | {"more": list(PAYLOADS)}))
    for query in ({}, {"blank": "true"}):
        text = await world.get("/a/hostile/run", **query)
        raw = [
            payload
            for payload in PAYLOADS
            if payload in text.replace("<script src=", "") and set(payload) & set("<\"'")
        ]
        assert raw == []


@pytest.mark.asyncio
async def test_secret_is_not_displayed_again(world, monkeypatch):
    """Neither by what it is nor by what it is called; what is sealed says so."""
    announce(world.store, PAY, ORDER)
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor(["correct-horse-staple"]))
    data = {"day": "correct-horse-staple", "to": {"street": "s", "zip": 1}, "password": "pw-123456"}
    world.begin(ORDER, msgspec.json.encode(data))
    text = await world.get(PATH)
    assert "correct-horse" not in text
    assert "pw-123456" not in text
    assert text.count("it contains a secret") == 2
    assert value_of(text, "i.to.street") == "s"
    world.begin(
        ORDER, msgspec.json.encode(data | {"day": "2026-01-05", "to": {"street": "correct-horse-staple", "zip": 1}})
    )
    text = await world.get(PATH)
    assert "correct-horse" not in text
    assert "partly hidden" in text
    assert (value_of(text, "i.to.street"), value_of(text, "i.to.zip")) == ("", "1")
    act = operation_context(Actor.cli("ann", "box"), world.clock)
    start(world.store, world.clock, PAY, b'{"amount":31337}', act=act, sealing=Sealing(ReversingCodec()))
    text = await world.get("/a/pay/run")
    assert "sealed by codec" in text
    assert value_of(text, "i.amount") == ""


@pytest.mark.asyncio
async def test_options_reach_the_run(world):
    """The key, the time in the automation's zone, queue, priority, tags, title, headers, attempts, request id."""
    options = {
        "key": "k1",
        "at": "2099-01-05T03:00",
        "queue": "slow",
        "priority": "5",
        "tags": "a=1\r\nb = 2",
        "title": "T",
        "more": {"headers": "Tenant=acme\nx=a=b"},
        "retry": "3",
        "request_id": "q-1",
    }
    await world.submit("/a/pay/run", "start", **{"i.amount": "7", "i.to": "x"}, **options)
    run = run_view(world.store.reader, runs(world)[0].id)
    assert (run.run_key, run.queue, run.priority, run.title) == ("k1", "slow", 5, "T")
    assert run.due_at == 4_071_265_200_000
    assert msgspec.json.decode(run.tags) == {"a": "1", "b": "2"}
    assert msgspec.json.decode(run.headers) == {"tenant": "acme", "x": "a=b"}
    assert '"attempts":3' in run_history(world.store.reader, run.id).retry.policy
    repeated = {"i.amount": "7", "i.to": "x", "key": "k1", "request_id": "q-1"}
    assert (await world.submit("/a/pay/run", "start", **repeated)).request.url.path == f"/r/{run.id}"
    joined = {"i.amount": "9", "i.to": "y", "key": "k1", "key_policy": "one_live", "join": "any"}
    assert (await world.submit("/a/pay/run", "start", **joined)).request.url.path == f"/r/{run.id}"
    invalid = joined | {"at": "never", "request_id": "q-2", "retry": "2", "more": {"headers": "x-token=hush\nx=1"}}
    command = html.unescape((await world.submit("/a/pay/run", "start", **invalid)).text)
    words = "--key k1 --key-policy one_live --join any --request-id q-2 --retry 2 --header 'x-token=(not shown)' --header x=1"
    assert words in command
    again = await world.submit("/a/pay/run", "start", **{"i.amount": "7", "i.to": "x"}, key="k1")
    assert again.request.url.path == f"/r/{run.id}"
    other = await world.submit("/a/pay/run", "start", **{"i.amount": "8", "i.to": "x"}, key="k1")
    assert other.status_code == 409
    assert f"was used for run {run.id} with another input" in printed_text(other.text)


@pytest.mark.asyncio
async def test_hidden_automation_is_not_found(world):
    """Neither the form nor an input through it; a script has no arguments."""
    other = world.begin(data=b'{"amount":31337}')
    await world.get("/a/backup/run", who="payer", status=404)
    await world.get("/a/nothing/run", status=404)
    assert "31337" in await world.get("/a/pay/run", who="payer", **{"from": other})
    await world.get("/a/pay/run", who="vic", status=403)
    text = await world.get("/a/backup/run")
    assert "has no arguments" in text
    assert "mainspring run backup<" in text
    await world.submit("/a/backup/run", "start")
    assert len(runs(world, "backup")) == 1
    exec_made = Definition(kind=DefinitionKind.EXEC, name="wrapped", command=["true"])
    announce(world.store, PAY, exec_made)
    text = await world.get("/a/wrapped/run")
    assert "by a wrapped command" in text
    assert 'value="start"' not in text


@pytest.mark.asyncio
async def test_form_has_bounds(world):
    """As large as a form of ours can be is read; what is larger is none. Who is not in gets less."""
    browser = await world.browser()
    token = hidden((await browser.get("/a/pay/run")).text, "form")

    async def send(path="/a/pay/run", **fields):
        data = {"act": "start", "form": token, "page": "p9", **fields}
        return (await browser.ask("POST", path, data=data, headers=OWN)).status_code

    assert await send(**{"i.amount": "1", "i.to": "x" * 200_000}) == 303
    assert await send(**{"i.amount": "1", "i.to": "x" * LARGEST_FORM}) == 413
    assert await send(**{f"i.n{number}": "1" for number in range(MOST_FIELDS - 10)}) == 409
    assert await send(**{f"i.n{number}": "1" for number in range(MOST_FIELDS)}) == 413
    assert await send("/sign-in", name="x" * 100_000) == 413


@pytest.mark.asyncio
async def test_default_that_is_a_secret_is_not_displayed_in_a_nested_object_either(world):
    """What is named like one, at any depth; other defaults are."""
    card = {
        "type": "object",
        "properties": {"token": {"default": "tk-123456"}, "bank": {"type": "string", "default": "b1"}},
    }
    schema = {
        "type": "object",
        "properties": {"card": {"$ref": "#/$defs/Card"}},
        "required": ["card"],
        "$defs": {"Card": card},
    }
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="charge", parameters=schema))
    text = await world.get("/a/charge/run")
    assert "tk-123456" not in text
    assert "b1" in text
