"""Thirty ordinary days end without an incident that anybody is told at once; each way to stop is then told as exactly one."""

import pytest

from mainspring.domain.incident import Severity
from tests.simulation.normal_days import DAY, DAYS, HOUR, MINUTE, Days
from tests.simulation.silent_ways import WAYS, headline


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """Thirty days, with a pause of two in the second week."""
    world = Days(tmp_path_factory.mktemp("month") / "state.db")
    world.go(10 * DAY + 11 * HOUR)
    world.pause("report")
    world.go(2 * DAY)
    world.resume("report")
    world.go(DAYS * DAY - 12 * DAY - 11 * HOUR)
    world.settle()
    yield world
    world.close()


@pytest.fixture
def world(month, tmp_path):
    """The morning after: a world of its own, a few hours into an ordinary day."""
    copied = month.copy(tmp_path / "state.db")
    copied.go(10 * HOUR)
    assert copied.told() == []
    yield copied
    copied.close()


def test_ordinary_days_are_quiet(month):
    """Clocks changed, slow days, retries, ten deploys, a pause: no incident that is told at once, and no alert."""
    assert [headline(one) for one in month.incidents() if one.severity is not Severity.DIGEST] == []
    assert month.watcher.read("alerts") == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_way_to_stop_is_told_as_one_thing(world, way):
    """In its window and the check after it, by its cause, and by nothing else for hours after that."""
    every = 5 * MINUTE if way.within < 12 * HOUR else HOUR
    begun = world.clock.now()
    way.begin(world)
    world.go(way.within + 2 * every, every, stop=True)
    print([headline(one) for one in world.told()])
    (one,) = world.told()
    assert (one.subject.kind, one.subject.automation or one.subject.fingerprint) == (way.kind, way.of)
    assert one.opened_at - begun <= way.within + every
    first = headline(one)
    world.go(4 * HOUR, every)
    assert [one.subject for one in world.told()] == [one.subject]
    assert first == way.says
