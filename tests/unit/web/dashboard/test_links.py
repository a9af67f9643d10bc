"""No page leads nowhere: all that pages link to and all that their forms send to is there, for everyone who sees the link."""

from collections import Counter, deque
from urllib.parse import urlsplit

import pytest

from mainspring.domain.flags.flag import FlagQuestion, FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.actor import Actor, operation_context
from mainspring.service.bulk_operation import start_bulk_operation
from mainspring.service.flag import change_flag
from mainspring.service.runs.run_selection import RunSelection
from mainspring.service.schedule import SchedulingContext, create_schedule
from mainspring.store.commands.automations import PauseAutomation
from mainspring.store.commands.flags import AnswerFlag, RecordFlagUses
from mainspring.web.auth.authenticator import RateLimiter
from mainspring.web.dashboard.page_table import PAGES
from tests import rollout_world
from tests.unit.web.dashboard import failed_runs, open_incident, run_world
from tests.unit.web.dashboard.automation_world import define
from tests.unit.web.dashboard.page_world import PageWorld
from tests.unit.web.dashboard.reading import Read, shape
from tests.unit.web.dashboard.shop import SHOP, Shop, with_channels

pytestmark = pytest.mark.xdist_group("links")  # what is made for all of them is made once

OTHER_PAGES = ("/me", "/people", "/sign-out")
"""Pages that are not in the table."""
OF_THE_SHOP = {"/triggers/{trigger}", "/deliveries/{delivery}"}
"""Here triggers and deliveries are those of one automation."""
EACH, EACH_PLAIN = 2, 12
"""So many addresses of one shape are followed, with a query and without one."""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store with something of everything; nothing here changes it."""
    world = filled(tmp_path_factory.mktemp("links") / "s.db")
    yield world
    world.close()


def filled(path, **options):
    """Return a world with all that pages can lead to."""
    world = PageWorld(path, **options)
    authenticator = world.auth.auth.authenticator
    authenticator._visitor_limits = authenticator._anonymous_limits = RateLimiter(100_000, 100_000)
    define(world, "pay-daily", after="pay", cron="0 3 * * *", owner="ann", team="data", tags={"kind": "sync"})
    shop = Shop(world)
    with_channels(world)
    open_incident.fail_run(world)
    open_incident.find_storm(world, "pay", "labels")
    open_incident.find_invalid(world, "backup", "i_2", IncidentKind.TOO_SLOW)
    runs = [run_world.failed(world), *failed_runs.fall(world), *failed_runs.fall_of_backup(world)]
    failed_runs.group(world)
    world.store.apply(PauseAutomation("backup", None, "cli:ann@box", "noisy"))
    run_world.ask_question(world)
    run_world.ask_question(world, definition=SHOP)
    shop.refuse_messages("m1", "m2")
    run_world.claimed(world)
    hold_flag(world, world.begin())
    scheduling = SchedulingContext(world.store, world.store.reader, PLAIN_SEALING, {}, "UTC")
    act = operation_context(Actor.web("ana"), world.clock)
    create_schedule(scheduling, "acme", "pay", {"every": "15m"}, {"amount": 5}, act=act)
    rollout_world.start(world)
    for fill in (shop.arrive, shop.reject, shop.publish):
        fill()
    act = operation_context(Actor.web("ana"), world.clock, command="b1", reason="why")
    start_bulk_operation(
        world.store, BulkVerb.RETRY, RunSelection(tuple(runs[:1]), ("pay",)), {"name": "pay"}, act=act, rate=None
    )
    return world


def hold_flag(world, run):
    """Create a flag, and let a run hold its side on."""
    act = operation_context(Actor.web("ana"), world.clock, reason="start")
    change_flag(world.store, world.store.reader, world.clock, "new/cart", FlagChange(share=1_000_000), act=act)
    use = FlagUse("new/cart", "pay", FlagSide.ON, FlagReason.SHARE, 1)
    for command in (AnswerFlag(run, 0, FlagQuestion("new/cart", "ann", "false")), RecordFlagUses(1, (use,))):
        world.store.apply(command)


async def followed(world, who, base="", each=(EACH, EACH_PLAIN)):
    """Follow every link from the first page on, some of each shape; return the shapes of what was read, and what is wrong."""
    browser = await world.browser(who)
    todo, known, seen, read, faults = deque([(f"{base}/", "")]), set(), Counter(), set(), []
    while todo:
        whole, source = todo.popleft()
        if not whole.startswith(f"{base}/"):
            faults.append((whole, "leads out of", source))
            continue
        address = whole.removeprefix(base)
        location, kind = address.partition("#")[0], shape(address)
        if location in known or seen[kind] == each[not kind[1:]]:
            continue
        known.add(location)
        seen[kind] += 1
        answer = await browser.get(location)
        if answer.status_code != 200:
            faults.append((answer.status_code, address, "from", source))
        elif answer.headers["content-type"].startswith("text/html"):
            page = Read(whole, answer.text)
            read.add(kind)
            faults += [(fault, address) for fault in page.faults]
            here = [link for link in page.links if not urlsplit(link).netloc]
            here += [target for method, target in page.sent if method == "get"]
            todo.extend((link, address) for link in here)
            faults += [
                ("a form", target, address)
                for way, target in page.sent
                if way == "post" and not _accepts_forms(target.removeprefix(base))
            ]
    return read, faults


def _accepts_forms(address):
    path = shape(address)[0]
    return (
        path in OTHER_PAGES or path.startswith("/people") or any(page.path == path and page.buttons for page in PAGES)
    )


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("who", ["ana", "payer"])
async def test_every_link_leads_somewhere(full, who):
    """For who may do all, and for who sees some automations: ids once, headings in order, fields with labels."""
    read, faults = await followed(full, who)
    assert faults == []
    reached = {item[0] for item in read}
    expected = {page.path for page in PAGES if not page.whole or who != "payer"} - {"/restore"}
    if who == "payer":
        expected -= OF_THE_SHOP
    assert expected - reached == set()


@pytest.mark.asyncio
async def test_no_link_leads_out_of_a_path_of_ones_own(tmp_path):
    """Behind a proxy that serves other things beside us."""
    world = filled(tmp_path / "s.db", public_url="https://ops.example.com/ms")
    read, faults = await followed(world, "ana", "/ms", (1, 1))
    assert faults == []
    assert len(read) > len(PAGES)
    world.close()
