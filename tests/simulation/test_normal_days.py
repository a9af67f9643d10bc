"""Thirty ordinary days end without an incident that anybody is told at once; what is then broken is told as exactly one thing."""

import pytest

from mainspring.store.commands.automations import PauseQueue, TakeLock
from mainspring.store.commands.triggers import ReportDesk
from tests.contract.store.process import ask, suspend
from tests.simulation.normal_days import DAY, DAYS, HOUR, MINUTE, Days


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
    assert copied.found == []
    yield copied
    copied.close()


def test_ordinary_days_are_quiet(month):
    """Clocks changed, slow days, retries, ten deploys, a pause: nobody was called."""
    assert [f"{one.subject}: {one.text}" for one in month.found] == []


def told(world, for_ms, look_every=5 * MINUTE):
    """The subjects of the first look that finds something."""
    world.go(for_ms, look_every, stop=True)
    return [(one.subject.automation or one.subject.fingerprint, str(one.subject.kind)) for one in world.found]


@pytest.mark.parametrize(
    ("broken", "within", "subject"),
    [
        ("worker", 10 * MINUTE, ("worker", "worker_lost")),
        ("scheduler", 10 * MINUTE, ("scheduler", "worker_lost")),
        ("crontab", 2 * DAY, ("crontab", "silence")),
        ("orders", 10 * DAY, ("orders", "silence")),
        ("sync fails", 6 * HOUR, ("sync", "silence")),
        ("orders hangs", 4 * HOUR, ("orders", "too_slow")),
        ("backup does nothing", DAY, ("backup", "too_fast")),
    ],
)
def test_what_breaks_is_told_as_one_thing(world, broken, within, subject):
    """Each in its window, by one finding that names it."""
    world.broken.add(broken)
    assert told(world, within, 5 * MINUTE if within < DAY else HOUR) == [subject]


def test_event_loop_is_told(world):
    """An automation that publishes what it listens to starts hundreds of times an hour."""
    for n in range(400):
        world.at(world.clock.now() + n * 5_000, lambda: world._start("orders"))
    assert told(world, 2 * HOUR) == [("orders", "too_often")]


def test_lost_definition_is_told(world):
    """A deployment came without it."""
    world.deploy_without("weekly")
    assert told(world, HOUR) == [("weekly", "definition_lost")]


def test_lock_that_nobody_lets_go_is_told(world):
    """Its holder ended long ago."""
    world.worker.do(TakeLock("db", "x"))
    world.worker.tamper("update locks set session = 0")
    assert told(world, HOUR) == [("db", "lock_held")]


def test_source_that_is_away_is_told(world):
    """A desk has not reached its broker for five minutes."""
    world.worker.do(ReportDesk("orders/event", None, world.clock.now(), "connection refused"))
    assert told(world, HOUR) == [("orders", "source_away")]


def test_paused_queue_is_told(world):
    """Runs wait in it for six hours."""
    world.worker.do(PauseQueue("orders", True, "ann"))
    world.go(HOUR)
    assert told(world, DAY, HOUR) == [("orders", "backlog")]


def test_unanswered_question_is_told(world):
    """After a day, once."""
    run = world.worker.begin(automation="orders", queue="default")
    world.worker.do(ask(run), suspend(run))
    assert told(world, 2 * DAY, HOUR) == [("orders", "human_wait")]
