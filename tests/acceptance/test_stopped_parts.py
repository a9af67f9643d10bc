"""Real processes that stop: each way ends in one incident and one message, and the two who watch each other tell of one another."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.acceptance.stopping import CASES, Site

pytestmark = [pytest.mark.xdist_group("stopped"), pytest.mark.slow, pytest.mark.timeout(180)]
StartedSites = dict[str, "Future[Site]"]


@pytest.fixture(scope="module")
def started_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedSites]:
    """All ways, begun side by side: what takes longest is the time until someone looks."""
    folder = tmp_path_factory.mktemp("ways")
    with ThreadPoolExecutor(len(CASES)) as pool:
        made = {name: pool.submit(way.begin, folder / f"w{n}") for n, (name, way) in enumerate(CASES.items())}
        yield made
        sites = [future.result() for future in made.values() if future.exception() is None]
        opened_counts = [[about for about, _ in site.notices()].count("opened") for site in sites]
        while Site.made:
            Site.made.pop().close()
    assert max(opened_counts) == 1, "a notification was sent again while it lasts"


@pytest.mark.parametrize("name", CASES)
def test_way_to_stop_is_reported_once(started_sites: StartedSites, name: str) -> None:
    """As one incident of its kind, in one line that says what has stopped; where it was fixed that was reported once too."""
    way, site = CASES[name], started_sites[name].result()
    assert re.fullmatch(way.headline, site.opened), site.opened
    assert [about for about, _ in site.notices()] in (["opened"], ["opened", "resolved"])
    # That the store was lost stands in it soon after it is back.
    site.until(site.incidents, "it is not on record")
    assert site.incidents() == [(way.kind, way.of)]
