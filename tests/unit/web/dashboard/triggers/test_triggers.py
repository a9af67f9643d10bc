"""Triggers, deliveries and events as pages: what came, why it started nothing, once more; no one sees what is of others."""

import html
import json

import pytest

from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.read.bulk_operations import list_bulk_operations
from tests.contract.store.process import wait_for
from tests.hostile import PAYLOADS
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.shop import Shop

HOSTILE = '<script>alert(1)</script>"onmouseover="x'


@pytest.fixture
def shop(world):
    return Shop(world)


@pytest.mark.asyncio
async def test_empty_pages_teach_the_next_command(world):
    """Nothing listens, nothing came, nothing was published."""
    assert "@ms.on.webhook" in await world.get("/triggers")
    assert "mainspring triggers list" in await world.get("/deliveries")
    assert "app.publish" in await world.get("/events")
    assert "No delivery matches" in await world.get("/deliveries", state="held", since="1h")
    assert "No delivery matches" in await world.get("/deliveries", until="2020-01-01")
    assert 'id="wrong-until" role="alert"' in await world.get("/deliveries", until="<b>soon", status=400)
    assert "No trigger matches" in await world.get("/triggers", automation="x")
    assert "None" not in await world.get("/triggers")


@pytest.mark.asyncio
async def test_triggers_show_what_came_with_links_to_it(world, shop):
    """Each figure leads to its rows; one shows the line that sends to it, and the one that tries it."""
    shop.arrive()
    shop.reject()
    text = await world.get("/triggers")
    assert "/deliveries?trigger=shop/webhook&amp;state=refused&amp;since=24h" in text
    assert "no process has started to read from it" in text
    only = await world.get("/triggers", state="listening")
    assert "labels/run" in only
    assert "labels/queue" not in only
    page = await world.get("/triggers/shop%2Fwebhook")
    assert "mainspring triggers test shop/webhook @event.json" in page
    assert "curl -sS" in page
    assert "the signature is another one" in page
    assert await world.get("/triggers/nope", status=404)


@pytest.mark.asyncio
async def test_delivery_is_displayed_as_it_came_and_comes_once_more(world, shop):
    """Without what proves its sender, and without its password; replayed once by one press, as a delivery of its own."""
    id = shop.arrive(HOSTILE)
    text = await world.get(f"/deliveries/{id}")
    assert "<script>alert" not in text
    assert "s3cret" not in text
    assert "hunter22" not in text
    assert "x-github-event" in text
    for _ in range(2):
        answer = await world.submit(f"/deliveries/{id}", "replay", reason="it was lost", page="p1")
        assert printed_text(answer.text) == f"Done: replay delivery {id}."
        assert f'href="/deliveries/{id}"' in answer.text
    rows = json.loads((await (await world.browser()).get("/deliveries?as=json")).content)
    assert [row["replay_of"] for row in rows] == [id, None]
    assert await world.visible_to('value="replay"', f"/deliveries/{id}") == [True, False]


@pytest.mark.asyncio
async def test_rejected_delivery_is_not_replayed(world, shop):
    """Its body was not kept to be run: the page says so, in place."""
    id = shop.reject(HOSTILE)
    answer = await world.submit(f"/deliveries/{id}", "replay")
    assert answer.status_code == 409
    assert "its sender send it again" in printed_text(answer.text)
    assert "<script>" not in answer.text.replace("<script src=", "")


@pytest.mark.asyncio
async def test_deliveries_are_filtered_and_come_part_by_part(world, shop):
    """By trigger, state and time; what cannot be a filter is reported."""
    for n in range(3):
        shop.arrive(f"k{n}")
    shop.arrive("k0", trigger="labels/queue")
    row = "labels/queue</a></td>"
    text = await world.get("/deliveries", trigger="shop/webhook", state="started", since="24h", limit=2)
    assert text.count('data-name="State"') == 2
    assert "Older" in text
    assert row in await world.get("/deliveries")
    assert row not in text
    assert "One of: received, held" in printed_text(await world.get("/deliveries?state=lost", status=400))


@pytest.mark.asyncio
async def test_visitor_of_some_sees_nothing_of_others(world, shop):
    """Neither names nor figures nor bodies."""
    id = shop.arrive(trigger="shop/webhook")
    for path in ("/triggers", "/deliveries", "/triggers?as=json", "/deliveries?as=json"):
        answer = await (await world.browser("payer")).get(path)
        assert answer.status_code == 200
        assert "shop" not in answer.text
    await world.get(f"/deliveries/{id}", who="payer", status=404)
    await world.get("/triggers/shop%2Fwebhook", who="payer", status=404)
    await world.get("/events", who="payer", status=404)


@pytest.mark.asyncio
async def test_event_is_published_from_its_page(world, shop):
    """What it started stands there; data that is no JSON is reported, with what was typed still there."""
    answer = await world.submit("/events", "publish", name="order.paid", data='{"kind":"book","id":"<b>"}', key="7")
    assert printed_text(answer.text) == "Done: publish event order.paid."
    assert "shop/event" in answer.text
    assert "&lt;b&gt;" in answer.text
    for fields in ({"name": "order.paid", "data": "{oh <no>"}, {"name": "  ", "data": "{}"}):
        answer = await world.submit("/events", "publish", **fields)
        assert answer.status_code == 409
        assert "<no>" not in answer.text
    assert answer.text.count('value="  "') == 1
    text = await world.get("/events", name="order.paid")
    assert text.count('data-name="Event"') == 1
    assert await world.visible_to('value="publish"', "/events") == [True, False]


@pytest.mark.asyncio
async def test_event_displays_the_runs_that_were_given_it(world, shop):
    """Each with its state; where none was, the page says how one is."""
    run = world.begin()
    (claimed,) = world.store.apply(ClaimRuns(shop.id("c"), 1)).runs
    world.store.apply(wait_for(claimed, "order.paid"))
    text = await world.get(f"/events/{shop.publish()}")
    assert f'href="/r/{run}"' in text
    assert "run.event(" in await world.get(f"/events/{shop.publish('order.lost')}")


@pytest.mark.asyncio
@pytest.mark.parametrize("payload", PAYLOADS[::5])
async def test_external_input_is_escaped(world, shop, payload):
    """In a name, a key, a note, a header and a body alike."""
    id = shop.arrive(payload, starts=False, refused=payload, name=payload, body=json.dumps({"x": payload}).encode())
    event = shop.publish("order.paid", {"kind": "book", payload: payload}, key=payload)
    for path in ("/deliveries", f"/deliveries/{id}", "/triggers/shop%2Fwebhook", "/events", f"/events/{event}"):
        text = await world.get(path)
        assert payload not in text, path
        assert payload in html.unescape(text), path


@pytest.mark.asyncio
async def test_all_that_match_are_counted_then_arrive_once_more(world, shop):
    """The rows of the page, but for those that were rejected; asked for once, it has a page of its own, and so does each of them."""
    ids = [shop.arrive(f"k{n}") for n in range(3)]
    shop.reject(HOSTILE)
    path = "/deliveries?trigger=shop/webhook&since=24h&ask=replay&rate=600/m"
    text = await world.get(path)
    assert "3 deliveries of 1 automation: each is replayed as a new delivery" in text
    assert "1 more match and are left out: rejected" in text
    assert "mainspring triggers replay --trigger shop/webhook --since 24h --rate 600/m" in text
    assert "<script>alert" not in text
    before = "/deliveries?until=2020-01-01&ask=replay"
    assert "mainspring triggers replay --until 2020-01-01" in await world.get(before)
    for _ in range(2):
        answer = await world.submit(path, "replay", page="p1", rate="600/m", reason="<b>mended</b>")
    (act,) = list_bulk_operations(world.store.reader)
    assert answer.request.url.path == f"/bulk/{act.id}"
    assert printed_text(answer.text) == "Started: replay. It runs in the background."
    assert "0 of 3 deliveries done; 3 left." in answer.text
    assert "&lt;b&gt;mended" in answer.text
    assert all(f'href="/deliveries/{id}"' in answer.text for id in ids)
    assert run_next_piece(world.store)
    rows = json.loads((await (await world.browser()).get("/deliveries?as=json&state=received")).content)
    assert sorted(row["replay_of"] for row in rows) == sorted(ids)
    text = await world.get(f"/bulk/{act.id}")
    assert all(f'href="/deliveries/{row["id"]}"' in text for row in rows)
    assert "No delivery matches, so there is nothing to do. 7 more match" in await world.get("/deliveries?ask=replay")


@pytest.mark.asyncio
async def test_replay_of_all_is_for_those_who_may(world, shop):
    """Who only looks counts nothing; a visitor of some counts its own; what is wrong is reported in its place, and nothing happens."""
    shop.arrive()
    assert await world.visible_to("count them first", "/deliveries") == [True, False]
    assert await world.visible_to("1 delivery of 1 automation", "/deliveries?ask=replay") == [True, False]
    visible_page = await world.get("/deliveries?ask=replay", who="payer")
    assert "No delivery matches, so there is nothing to do.<" in visible_page
    assert "shop" not in visible_page
    assert "is not a rate" in await world.get("/deliveries?ask=replay&rate=often")
    assert (await world.submit("/deliveries", "replay", rate="often")).status_code == 409
    assert (await world.submit("/deliveries?verified=nobody", "replay", rate="")).status_code == 409
    assert list_bulk_operations(world.store.reader) == []


@pytest.mark.asyncio
async def test_deliveries_are_filtered_by_what_was_stated_of_their_sender(world, shop):
    """As the list shows it."""
    id, away = shop.arrive(), shop.reject()
    text = await world.get("/deliveries", verified="bad_signature")
    assert away in text
    assert id not in text
    assert 'name="verified" value="bad_signature"' in text
