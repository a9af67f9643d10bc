"""What all pages have alike: bad queries are reported, lists can be had as CSV and JSON, what was done is reported above the page."""

import asyncio
import csv
import html
import io
import json
import re
import shlex
from urllib.parse import urlencode

import msgspec
import pytest

from mainspring.store.commands.automations import AcquireLock
from mainspring.store.read.status.status import audit_rows
from mainspring.web.api.bodies import CommitOrderQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard import pages_asgi
from mainspring.web.dashboard.exports import MOST, encode_rows, list_all_pages
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.shop import Shop


@pytest.mark.asyncio
async def test_query_that_cannot_be_used_is_reported(world):
    """By name; nothing is guessed."""
    assert "unknown field `colour`" in printed_text(await world.get("/audit-log?colour=red", status=400))
    assert printed_text(await world.get("/audit-log?limit=0", status=400)).startswith("limit: ")
    assert "queued, running" in printed_text(await world.get("/runs?state=bad", status=400))
    assert (
        printed_text(await world.get("/locks?as=xml", status=400))
        == "a list is available as csv or json, not as &#39;xml&#39;"
    )
    assert "no table &#39;x&#39;" in printed_text(await world.get("/locks?as=csv&of=x", status=400))


@pytest.mark.asyncio
async def test_rows_leave_as_csv_and_json(world):
    """A cell that a spreadsheet would take for a formula is text."""
    world.begin()
    browser = await world.browser()
    answer = await browser.get("/audit-log?as=json")
    rows = json.loads(answer.content)
    assert [row["verb"] for row in rows if row["actor"] == "cli:ann@box"] == ["start"]
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.json"'
    lines = (await browser.get("/audit-log?as=csv")).text.splitlines()
    assert lines[0].startswith("seq,at,command,actor,verb,subject")
    assert len(lines) == len(rows) + 1


class Row(msgspec.Struct, frozen=True):
    name: str
    data: bytes


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_rows_leave_as_they_are_read(kind):
    """A list of large values is never put together in memory; whole it is one file, however many parts it has."""
    read = []

    def rows(number, size):
        for n in range(number):
            read.append(n)
            yield Row(f"n{n}", b'"%s"' % (b"x" * size))

    parts = encode_rows(rows(50, 100_000), kind)
    first = next(parts)
    assert (len(read), len(first) < 500_000) == (3, True)
    whole = b"".join([first, *parts])
    found = json.loads(whole) if kind == "json" else list(csv.DictReader(io.StringIO(whole.decode())))
    assert [person["name"] for person in found] == [f"n{n}" for n in range(50)]
    read.clear()
    assert b"".join(encode_rows(rows(MOST + 10, 1), kind)).count(b"n") >= MOST
    assert len(read) == MOST
    assert b"".join(encode_rows([], kind)) == (b"[]" if kind == "json" else b"\r\n")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"]
)
def test_cell_that_would_be_computed_is_text(text):
    """Also inside of a value whose text is a cell as well; what begins otherwise stays as it is."""
    whole = b"".join(encode_rows([Row(text, msgspec.json.encode(text)), Row(f"a{text}", b"[1]")], "csv")).decode()
    _, computed, plain = csv.reader(io.StringIO(whole, newline=""))
    assert (computed, plain) == ([f"'{text}", f"'{text}"], [f"a{text}", "[1]"])


@pytest.mark.parametrize("blanks", [" ", "   ", "\u00a0", "\u3000", "\ufeff", " \u200b\u2003", "\u2028"])
def test_cell_with_blanks_before_a_formula_is_text(blanks):
    """A spreadsheet leaves them out; blanks before other text stay as they are."""
    whole = b"".join(encode_rows([Row(f"{blanks}=1+1", b"[1]"), Row(f"{blanks}a=1", b"[1]")], "csv")).decode()
    _, computed, plain = csv.reader(io.StringIO(whole, newline=""))
    assert (computed[0], plain[0]) == (f"'{blanks}=1+1", f"{blanks}a=1")


RAW = "a\x00\x07\x1b[31mb\x85\u202ec\u2066d\u200ee\u061cf\u2028g"


@pytest.mark.asyncio
async def test_control_and_direction_characters_are_never_raw_on_a_page(world):
    """In a title, a tag, an input, an error, a search, a filter: what could hide or turn text is written out."""
    run = world.begin(data=msgspec.json.encode({"amount": 1, "to": RAW}))
    browser = await world.browser()
    query = urlencode({"q": RAW[3:], "name": RAW[3:], "who": RAW[3:]})
    addresses = ["/", "/runs", f"/r/{run}", f"/a/pay?from={run}", f"/a/pay/run?from={run}"]
    addresses += [f"{path}?{query.split('&')[n]}" for path in ("/search", "/runs", "/audit-log") for n in range(3)]
    texts = [(await browser.get(path)).text for path in addresses]
    for path, text in zip(addresses, texts, strict=True):
        assert not [char for char in text if char in RAW and not char.isprintable()], path
    assert r"\u202ec\u2066d\u200ee\u061cf\u2028g" in texts[2].replace(r"\\u", r"\u")


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_stored_values_leave_without_their_secrets(kind):
    """Of whichever table: what is named like a secret, and what looks like one; the row's own words stay."""
    rows = [Row("token", b'{"password":"pw-123456","id":7}'), Row("b", b"curl -u x --password pw-123456")]
    whole = b"".join(encode_rows(rows, kind)).decode()
    assert "pw-123456" not in whole
    found = json.loads(whole) if kind == "json" else list(csv.DictReader(io.StringIO(whole)))
    assert [item["name"] for item in found] == ["token", "b"]
    assert "7" in str(found[0]["data"])


@pytest.mark.asyncio
async def test_event_leaves_as_its_page_displays_it(world):
    """Neither with what is named like a secret: the file goes further than the page."""
    event = Shop(world).publish("paid", {"password": "pw-123456", "id": 7})
    for path in ("/events", f"/events/{event}", "/events?as=json", "/events?as=csv"):
        text = (await (await world.browser()).get(path)).text
        assert ("pw-123456" in text, "paid" in text) == (False, True), path


@pytest.mark.asyncio
async def test_large_events_leave_whole(world):
    """In one part or in several."""
    shop = Shop(world)
    ids = [shop.publish("big", {"x": "y" * 200_000}, key=str(n)) for n in range(3)][::-1]
    browser = await world.browser()
    answer = await browser.get("/events?as=json")
    assert [item["id"] for item in answer.json()] == ids
    assert answer.headers["content-disposition"] == 'attachment; filename="events.json"'
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.asyncio
async def test_confirmation_is_above_the_page(world):
    """To anyone who did it; pressed twice on one page it is done once, and what cannot be done is reported in place."""
    world.store.apply(AcquireLock("night <b>", "backup", None))
    text = await world.get("/locks")
    assert "night &lt;b&gt;" in text
    first = await world.submit("/locks", "break", lock="night <b>", reason="it hangs", page="p1")
    assert printed_text(first.text) == "Done: break lock night &lt;b&gt;."
    assert "No lock is held" in first.text
    again = await world.submit("/locks", "break", lock="night <b>", reason="it hangs", page="p1")
    assert printed_text(again.text) == printed_text(first.text)
    assert [operation for operation in world.auth.operations() if operation[0] == "break"] == [
        ("break", "lock:night <b>", "web:ana")
    ]
    other = await world.submit("/locks", "break", lock="night <b>", reason="it hangs", page="p2")
    assert other.status_code == 404
    assert printed_text(await world.get(str(first.request.url.raw_path, "ascii"), who="vic")) == ""


@pytest.mark.asyncio
async def test_page_without_operations_does_not_refresh(world):
    """Asked for again by itself it would be without what was typed; one that shows what is there moves."""
    assert 'data-nouns="automations runs incidents"' in await world.get("/a/pay")
    answer = await world.submit("/a/pay", "pause", **{"for": "nonsense", "reason": "why <b>"})
    assert answer.status_code == 409
    assert 'data-nouns=""' in answer.text
    assert 'value="nonsense"' in answer.text
    assert "why &lt;b&gt;" in answer.text


@pytest.mark.asyncio
async def test_form_that_no_database_accepts_is_refused(world, monkeypatch):
    """Neither a field with NUL nor a link with one asks the store for anything."""
    assert (await world.submit("/a/pay", "pause", reason="a\x00b")).status_code == 413
    monkeypatch.setattr(pages_asgi, "audit_row_of_command", lambda reader, command: pytest.fail(repr(command)))
    for command in ("a\x00b", "\n", "x" * 301):
        assert printed_text(await world.get("/a/pay", done=command)) == ""


@pytest.mark.asyncio
async def test_form_is_as_bounded_as_a_body_of_the_api(world):
    """A name with a line break, or without end, is refused before anything is done."""
    for name in ("two\nlines", "x" * 1_001):
        answer = await world.submit("/events", "publish", name=name)
        assert answer.status_code == 409
    assert (await world.submit("/events", "publish", name="paid")).status_code == 200
    assert [operation[1] for operation in world.auth.operations() if operation[0] == "publish"] == ["event:paid"]


@pytest.mark.asyncio
async def test_command_id_reports_nothing_of_what_was_typed(world):
    """Two sessions that send the same form have two ids: anyone who reads one cannot try out what was typed."""
    first, second = await world.browser("ana"), await world.browser("olga")
    for browser in (first, second, first):
        assert (await browser.submit("/a/pay", "pause", page="p1", reason="same")).status_code == 303
    rows = [row for row in audit_rows(world.store.reader) if row.verb == "pause"]
    assert len({row.command for row in rows}) == len(rows) == 2


@pytest.mark.asyncio
async def test_path_below_an_endpoint_is_no_page(world):
    """Assets and links stand outside of the gate: what lies below them is there, or nowhere."""
    for who in ("ana", "nobody"):
        browser = await world.browser(who)
        for path in ("/assets/x/y", "/assets/", "/i/", "/i/a/b/c", "/i/x/run/", "/oidc/start", "/oidc/back?state=x"):
            answer = await browser.get(path)
            assert (answer.status_code, "there is nothing at this path" in answer.text) == (404, True), path


@pytest.mark.asyncio
async def test_message_is_displayed_while_every_thread_waits(world, monkeypatch):
    """Anyone who asks while slow reads have all the threads is answered all the same."""
    assert "<html" in await world.get("/nothing", status=404)
    monkeypatch.setattr(pages_asgi, "_RESULT_WITHIN_S", 0.01)
    monkeypatch.setattr(world.auth.auth.pages, "run", lambda do: asyncio.Event().wait())
    assert await world.get("/nothing", status=404) == "there is nothing at this path\n"


def test_export_of_which_nothing_is_seen_ends():
    """A list whose parts are all empty for this visitor is not looked through to its end in one request."""
    parts = []

    def listed(call):
        parts.append(call.query.cursor)
        return Page([], str(len(parts)))

    assert list(list_all_pages(ApiCall(None, None, {}, CommitOrderQuery(), None), listed)) == []
    assert 1 < len(parts) <= 100


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["night", "x; reboot", "$(reboot)", "a b'c", "line\nreboot"])
async def test_command_line_is_safe_to_copy(world, name):
    """A lock may be named after what a step was given: on a command line that is one word."""
    world.store.apply(AcquireLock(name, "backup", None))
    lines = re.findall(r"<code>(mainspring locks break .*?)</code>", await world.get("/locks"), re.S)
    assert [shlex.split(html.unescape(line), comments=True)[3] for line in lines] == [name]
