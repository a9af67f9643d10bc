"""Thirty ordinary days end without an incident that anyone is reported at once; each way to stop is then told as exactly one."""

import asyncio
import os
import subprocess

import pytest

from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.config import load
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from tests.acceptance.receiver import Receiver
from tests.sampling import sample
from tests.simulation.normal_days import DAY, DAYS, HOUR, MINUTE, Days
from tests.simulation.silent_failures import CASES, FULL, LOST, PAGE, PAIRS, headline, page

pytestmark = [pytest.mark.xdist_group("month"), pytest.mark.timeout(600)]  # what is made for all of them is made once


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
def disk(request, tmp_path):
    """Where the store is; a small disk of its own where it is to be full."""
    folder = tmp_path / "store"
    folder.mkdir()
    callspec = getattr(request.node, "callspec", None)
    if callspec is None or "way" not in callspec.params or callspec.params["way"].name != FULL:
        yield folder
        return
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def world(month, disk):
    """The morning after: a world of its own, a few hours into an ordinary day."""
    copied = month.copy(disk / "state.db")
    copied.go(10 * HOUR)
    assert copied.notified() == []
    yield copied
    copied.close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def reserved(world, receiver, tmp_path, monkeypatch):
    """The way to people that needs no store, taken as a watcher takes it."""
    for name, value in receiver.settings.items():
        monkeypatch.setenv(name, value)
    env = {**receiver.settings, "MAINSPRING_EXEC_SPOOL": str(tmp_path / "spool")}
    settings = load(env=env, cwd=tmp_path, uid=os.getuid(), flags={})
    with asyncio.Runner() as runner:

        async def make():
            return FallbackAlerter(settings, ErrorText(SecretStore.of(None, os.environ)), world.clock, "state.db")

        made = runner.run(make())
        world.on_lost = lambda error: runner.run(made.report_outage(f"{type(error).__name__}: {error}"))
        world.on_well = lambda: runner.run(made.report_recovery())
        yield made
        runner.run(made.close())


def test_ordinary_days_are_quiet(month):
    """Clocks changed, slow days, retries, ten deploys, a pause, first weekends: no incident, not even for the digest."""
    assert [headline(incident) for incident in month.incidents()] == []
    read = month.watcher.database.connection.execute
    assert read("select count(*) from deliveries where state = 'refused'").get > 100, "scanners came"
    long = "select count(*) from runs where partition is not null and started_at - created_at > 3600000"
    assert read(long).get > 0, "runs waited behind others for hours"
    about = {alert.about for alert in month.watcher.read("alerts")}
    assert about <= {NotificationEvent.DIGEST}, "a digest of early signs is about no incident"


@pytest.mark.slow
@pytest.mark.parametrize("way", CASES, ids=lambda way: way.name)
def test_way_to_stop_is_one_incident(world, way):
    """In its window and the check after it, by its cause, and by nothing else for hours after that."""
    every = 5 * MINUTE if way.within < 12 * HOUR else HOUR
    way.begin(world)
    started_at = world.clock.now()
    world.go(way.within + 2 * every, every, stop=True)
    (incident,) = world.notified()
    assert (incident.subject.kind, incident.subject.automation or incident.subject.fingerprint) == (way.kind, way.of)
    assert incident.opened_at - started_at <= way.within + every
    assert headline(incident) == way.headline
    world.go(4 * HOUR, max(every, 15 * MINUTE))
    assert [each.subject for each in world.notified()] == [incident.subject]


@pytest.mark.parametrize(
    "pair", sample("two ways to stop", PAIRS, one_in=2), ids=lambda pair: f"{pair.first} + {pair.second}"
)
def test_two_ways_to_stop_at_once_are_reported_each_by_its_cause(world, pair):
    """Neither hides the other; one that explains the other is reported alone."""
    first, second = pair.cases
    first.begin(world)
    world.go(pair.apart, HOUR)
    second.begin(world)
    longest = max(first.within, second.within)
    world.go(longest + 10 * MINUTE, 5 * MINUTE if longest < 12 * HOUR else HOUR)
    expected = {(way.kind, way.of) for way in ([first] if pair.explained else [first, second])}
    notified = {
        (incident.subject.kind, incident.subject.automation or incident.subject.fingerprint)
        for incident in world.notified()
    }
    assert notified == expected
    if pair.explained:
        folded = [
            incident
            for incident in world.incidents()
            if incident.parent is not None and incident.subject.kind is second.kind
        ]
        assert folded or second.kind is IncidentKind.UNSERVED, "what follows is on record"


def test_matrix_has_forty_ways_and_ten_of_two_faults():
    """It shrinks for no reason."""
    assert len(CASES) + len(LOST) >= 40
    assert len(PAIRS) >= 10


@pytest.mark.parametrize("way", LOST, ids=lambda way: way.name)
def test_lost_store_is_reported_without_the_store(world, reserved, receiver, way):
    """Once, straight to the channel, in its window and the check after it; and that it is over when it answers again."""
    way.begin(world)
    world.go(way.within + MINUTE, MINUTE)
    (message,) = receiver.messages
    assert message["data"]["headline"] == way.headline
    world.go(10 * MINUTE, MINUTE)
    assert len(receiver.messages) == 1
    way.end(world)
    world.go(5 * MINUTE, MINUTE)
    assert [message["data"]["about"] for message in receiver.messages] == ["opened", "resolved"]
    assert world.notified() == []


def test_complaint_12_runs_that_outlast_their_interval_are_reported(world):
    """Every half hour, but each run takes 70 minutes and the slots meanwhile are skipped: it is reported, though every run succeeds."""
    world.slow["sync"] = 70 * MINUTE
    world.go(3 * HOUR, 5 * MINUTE, stop=True)
    (incident,) = world.notified()
    assert (incident.subject.automation, incident.subject.kind) in {
        ("sync", IncidentKind.SILENCE),
        ("sync", IncidentKind.TOO_SLOW),
    }


def test_complaint_11_success_that_did_nothing_is_in_the_table():
    """Too fast, too often, and output that is missing or small: each is a way to stop of its own."""
    kinds = {way.kind for way in CASES}
    assert {IncidentKind.TOO_FAST, IncidentKind.TOO_OFTEN, IncidentKind.DID_NOTHING} <= kinds
    assert any("not produce" in way.headline for way in CASES)


def test_page_of_silent_failures_is_the_table():
    """Written again by: python -m tests.simulation.silent_failures."""
    assert PAGE.read_text(encoding="utf-8") == page()
