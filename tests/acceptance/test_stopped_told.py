"""Real processes that stop: each way ends in one incident and one message, and the two who watch each other tell of one another."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.acceptance.stopping import BROKEN, HOURLY, STOPPED, WAYS, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
Begun = dict[str, "Future[Site]"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """All ways, begun side by side: what takes longest is the time until somebody looks."""
    folder = tmp_path_factory.mktemp("ways")
    ways = {**WAYS, "stopped": STOPPED, "broken": BROKEN}
    with ThreadPoolExecutor(len(ways)) as pool:
        made = {name: pool.submit(way.begin, folder / f"w{n}") for n, (name, way) in enumerate(ways.items())}
        yield made
        sites = [one.result() for one in made.values() if one.exception() is None]
        told = [[about for about, _ in site.told()].count("opened") for site in sites]
        for site in sites:
            site.close()
    assert max(told) == 1, "what was told is told again while it lasts"


def opened(site: Site) -> str:
    """Return the one line by which people were told that something is wrong, without its severity."""
    (headline,) = [line for about, line in site.told() if about == "opened"]
    return headline.partition("] ")[2]


@pytest.mark.parametrize("name", WAYS)
def test_way_to_stop_is_told(begun: Begun, name: str) -> None:
    """As one incident of its kind, in one line that says what has stopped."""
    way, site = WAYS[name], begun[name].result()
    site.until(site.told, "nobody is told")
    assert re.fullmatch(way.says, opened(site)), opened(site)
    assert site.incidents() == [(way.kind, way.of)]


def test_module_that_loads_again_ends_what_was_told(begun: Begun) -> None:
    """The next worker announces what was missing."""
    site = begun["a module fails to import"].result()
    site.until(site.told, "nobody is told")
    (site.folder / "a.py").write_text(HOURLY)
    os.kill(site.one_of("worker"), signal.SIGTERM)
    site.until(lambda: len(site.told()) > 1, "nobody is told that it loads again")
    assert [about for about, _ in site.told()] == ["opened", "resolved"]


def test_store_that_refuses_each_write_is_told_without_it(begun: Begun) -> None:
    """Once, however often it is started again; and once that it is over."""
    site = begun["broken"].result()
    site.until(site.told, "nobody is told")
    assert re.fullmatch(BROKEN.says, opened(site)), opened(site)
    (up,) = site.ups
    assert up.wait(30) != 0
    site.up("worker,watcher")
    site.until(lambda: len(site.told()) > 1, "nobody is told that it is over")
    assert [about for about, _ in site.told()] == ["opened", "resolved"]


def test_stopped_scheduler_is_told_and_its_return_too(begun: Begun) -> None:
    """The watcher names it, once, and says once that it goes on."""
    site = begun["stopped"].result()
    site.until(site.told, "nobody is told")
    assert re.fullmatch(STOPPED.says, opened(site)), opened(site)
    (scheduler,) = site.live("scheduler")
    assert f"pid {scheduler} of" in opened(site)
    os.kill(scheduler, signal.SIGCONT)
    site.until(lambda: len(site.told()) > 1, "nobody is told of its return")
    assert [about for about, _ in site.told()] == ["opened", "resolved"]
    assert site.incidents() == [(STOPPED.kind, STOPPED.of)]
    assert site.live("scheduler") == [scheduler]
