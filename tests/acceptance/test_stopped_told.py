"""Real processes that stop: each way ends in one incident and one message, and the two who watch each other tell of one another."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.acceptance.stopping import WAYS, Site

pytestmark = [pytest.mark.xdist_group("stopped"), pytest.mark.slow, pytest.mark.timeout(180)]
Begun = dict[str, "Future[Site]"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """All ways, begun side by side: what takes longest is the time until somebody looks."""
    folder = tmp_path_factory.mktemp("ways")
    with ThreadPoolExecutor(len(WAYS)) as pool:
        made = {name: pool.submit(way.begin, folder / f"w{n}") for n, (name, way) in enumerate(WAYS.items())}
        yield made
        sites = [future.result() for future in made.values() if future.exception() is None]
        told = [[about for about, _ in site.told()].count("opened") for site in sites]
        while Site.made:
            Site.made.pop().close()
    assert max(told) == 1, "what was told is told again while it lasts"


@pytest.mark.parametrize("name", WAYS)
def test_way_to_stop_is_told_once(begun: Begun, name: str) -> None:
    """As one incident of its kind, in one line that says what has stopped; where it was mended that was told once too."""
    way, site = WAYS[name], begun[name].result()
    assert re.fullmatch(way.says, site.opened), site.opened
    assert [about for about, _ in site.told()] in (["opened"], ["opened", "resolved"])
    # That the store was lost stands in it soon after it is back.
    site.until(site.incidents, "it is not on record")
    assert site.incidents() == [(way.kind, way.of)]
