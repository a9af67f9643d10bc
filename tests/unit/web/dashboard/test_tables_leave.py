"""Every table of every page leaves as CSV and JSON: the links to it stand right behind it. `test_links` follows them all."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

import mainspring.web
from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.web.dashboard.page_table import PAGES
from tests.contract.store.process import finish, outcome
from tests.unit.web.dashboard import failed_runs
from tests.unit.web.dashboard.reading import Read
from tests.unit.web.dashboard.run_world import claimed, failed
from tests.unit.web.dashboard.shop import Shop

TEMPLATES = Path(mainspring.web.__file__).parent / "templates"
RENDERED_ELSEWHERE = {"delivery_parts.html", "run_parts.html"}
"""Macros: what leaves is said where they are called."""
TABLE = re.compile(r"</table>|arrived\.table\(|runs\.steps\(")
LEAVES = re.compile(r"parts\.(?:under|leaves)\(|'as': 'csv'")
NEXT = re.compile(r"<h[1-6]|<table|arrived\.table\(|runs\.steps\(")


def staying(text):
    """Return the places of a template at which a table ends that does not leave."""
    found = []
    for table in TABLE.finditer(text):
        following = NEXT.search(text, table.end())
        rest = text[table.end() : following.start() if following else len(text)]
        found += [] if LEAVES.search(rest) else [text[: table.start()].count("\n") + 1]
    return found


def test_every_table_of_every_template_leaves():
    """Also where no test has data for it; a link that belongs to the next table does not count."""
    names = [path for path in TEMPLATES.rglob("*.html") if path.name not in RENDERED_ELSEWHERE]
    assert {name.name: staying(name.read_text()) for name in names if staying(name.read_text())} == {}
    assert staying("</table>{{ parts.leaves(here, 'x') }}\n</table>\n<h2>") == [2]
    assert staying("</table><h2>Next</h2><table></table>{{ parts.under(here) }}") == [1]


def test_table_without_its_links_is_found_on_a_page():
    """Both kinds, before the next table or heading."""
    table = "<table><tr><th>Run</th><th>State</th></tr></table>"
    as_csv, as_json = '<a href="/x?as=csv&amp;of=runs">', '<a href="/x?of=runs&amp;as=json">'
    assert Read("/x", f"<h1></h1>{table}{as_csv}{as_json}").faults == []
    assert Read("/x", f"<h1></h1>{table}{as_csv}<h2></h2>{as_json}").faults == [
        "the table of Run State does not leave as json"
    ]
    assert Read("/x", f"<h1></h1>{table}{table}{as_csv}{as_json}").faults == [
        "the table of Run State does not leave as csv and json"
    ]


def test_links_name_tables_that_there_are():
    """Each name that a template asks for is a table of its page, and each table of a page is asked for."""
    named = {}
    for page in PAGES:
        named.setdefault(page.template, set()).update(page.tables)
    for template, tables in named.items():
        text = (TEMPLATES / template).read_text()
        used = set(re.findall(r'parts\.leaves\(here, "(\w+)"\)', text)) | set(re.findall(r"moved\(\w+\.(\w+),", text))
        assert used == tables, template


def tables(path):
    """Return the names of the tables of a page."""
    return next(sorted(page.tables) for page in PAGES if page.path == path)


async def leaving(world, path, of, *, who="ana", kind="json", **query):
    """Return the rows of a table of a page."""
    query_text = "".join(f"&{name}={value}" for name, value in query.items())
    text = await world.get(f"{path}?as={kind}&of={of}{query_text}", who=who)
    return json.loads(text) if kind == "json" else list(csv.DictReader(io.StringIO(text)))


@pytest.mark.asyncio
async def test_tables_are_seen_by_whom_their_page_is(world):
    """Of what a visitor does not see no table leaves; of what it sees each does."""
    own, other = failed(world), failed_runs.fall_of_backup(world)[0]
    failed_runs.fall(world)
    failed_runs.group(world)
    shop = Shop(world)
    delivery = shop.arrive()
    browser = await world.browser("payer")
    for path, own_is, other_is in (("/a/{automation}", "pay", "backup"), ("/r/{run}", own, other)):
        for of in tables(path):
            head = path.partition("{")[0]
            for is_seen, name in ((True, own_is), (False, other_is)):
                answer = await browser.get(f"{head}{name}?as=json&of={of}")
                assert answer.status_code == (200 if is_seen else 404), (path, of)
    for path in ("/triggers/shop%2Fwebhook", f"/deliveries/{delivery}"):
        for of in ("", "&of=figures", "&of=held", "&of=headers"):
            assert (await browser.get(f"{path}?as=json{of}")).status_code in (400, 404), path
    seen = {"ana": set(), "payer": set()}
    for run in json.loads(await world.get("/failed?as=json")):
        for who, names in seen.items():
            rows = await leaving(world, "/failed", "runs", who=who, error=run["fingerprint"])
            names.update(row["automation"] for row in rows)
    assert seen == {"ana": {"pay", "backup"}, "payer": {"pay"}}


@pytest.mark.asyncio
async def test_steps_and_attempts_of_a_run_leave(world):
    """The steps of all of it, the attempts of the step that is looked at; what a spreadsheet would compute is text."""
    run = claimed(world)
    world.store.apply(outcome(run, 1, "dump", started_at=world.clock.now(), at=world.clock.now()))
    failure = Failure("ChildDied", "bad", "=1+1")
    failing_step = outcome(run, 2, "upload", failure=failure, started_at=world.clock.now(), at=world.clock.now())
    world.store.apply(failing_step)
    world.store.apply(finish(run, RunState.FAILED, failure=failure, failed_ident="upload"))
    steps = await leaving(world, f"/r/{run.id}", "steps")
    assert [(step["name"], step["attempts"]) for step in steps] == [("dump", 1), ("upload", 1)]
    assert [step["error"] for step in await leaving(world, f"/r/{run.id}", "steps", kind="csv")] == ["", "'=1+1"]
    assert len(await leaving(world, f"/r/{run.id}", "attempts")) == 1
    assert len(await leaving(world, f"/r/{run.id}", "attempts", step="dump")) == 1
    assert await leaving(world, f"/r/{run.id}", "attempts", step="*") == []
    assert await leaving(world, f"/r/{run.id}", "attempts", step="never") == []


@pytest.mark.asyncio
async def test_tables_of_an_automation_leave(world):
    """What its pictures are drawn from too."""
    failed_runs.fall(world, 3)
    failed_runs.group(world)
    assert [row["number"] for row in await leaving(world, "/a/pay", "errors")] == [3]
    assert sum(hour["failed"] for hour in await leaving(world, "/a/pay", "hours")) == 3
    assert sum(row["failed"] for row in await leaving(world, "/a/pay", "days")) == 3
    assert await leaving(world, "/a/pay", "errors", kind="csv") != []
    for of in tables("/a/{automation}"):
        assert isinstance(await leaving(world, "/a/pay", of), list)


@pytest.mark.asyncio
async def test_exported_delivery_has_no_credentials(world):
    """As the page shows it; a trigger leaves with its figures and with what came for it."""
    shop = Shop(world)
    delivery = shop.arrive()
    headers = await leaving(world, f"/deliveries/{delivery}", "headers")
    assert {"name": "x-github-event", "value": "push"} in headers
    assert "s3cret" not in str(headers)
    (stats,) = await leaving(world, "/triggers/shop%2Fwebhook", "figures")
    assert (stats["name"], stats["arrived"]) == ("shop/webhook", {"started": 1})
    rows = json.loads(await world.get("/triggers/shop%2Fwebhook?as=json"))
    assert [row["id"] for row in rows] == [delivery]
