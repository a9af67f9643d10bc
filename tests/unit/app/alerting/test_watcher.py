"""A watcher's life: it stands by while another lives, takes over when that one is gone, continues after faults, and gives its sign."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import pytest_asyncio

from mainspring.alerting import watchdog_ping
from mainspring.app.alerting import watcher
from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.watcher import STANDBY_AFTER_MS, Watcher, make_evaluation
from mainspring.app.stores.store_factory import make_store
from mainspring.config import load
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.read.incidents import incidents
from tests.contract.store.clock import FakeClock
from tests.unit.alerting.peer import Peer, serving

pytestmark = pytest.mark.asyncio
MINUTE = 60_000


class Outside(Peer):
    """Hears alerts and signs of life."""

    def answer(self, path, headers, body):
        return 200, {}, {}

    def received(self, path):
        return [body for requested_path, _, body in self.requests if requested_path == path]


class Site:
    """Processes on one store, with a clock of their own."""

    def __init__(self, folder, peer):
        self.peer = peer
        self.clock = FakeClock()
        self.evaluations = 0
        self.outage = None
        self.fault = None
        self.blocker = None
        env = {
            "MAINSPRING_NOTIFY_CHANNELS__OPS": f"webhook+{peer.url}/told?secret=told",
            "MAINSPRING_NOTIFY_WATCHDOG": f"{peer.url}/alive",
            "MAINSPRING_EXEC_SPOOL": str(folder / "spool"),
        }
        self.settings = load(env=env, cwd=folder, uid=os.getuid(), flags={})
        self.secrets = SecretStore.of(None, {"MAINSPRING_SECRET_TOLD": "whsec_" + "QUJD" * 8})
        self._folder = folder
        self._opened = []

    def process(self, role):
        loop = asyncio.get_running_loop()

        def deliver(answers):
            for done, result in answers:
                loop.call_soon_threadsafe(done, result)

        store = make_store(self._folder / "state.db", clock=self.clock, deliver=deliver)
        store.open()
        store.open_session(role)
        self._opened.append(store.close)
        return store

    def watching(self, store, **options):
        reserved = FallbackAlerter(self.settings, ErrorText(self.secrets), self.clock, "sqlite s.db")
        made = Watcher(self.settings, self.secrets, store, reserved, lambda: self.outage, **options)
        evaluate = made._watch.evaluate_once

        def counted():
            self.evaluations += 1
            if self.blocker is not None:
                self.blocker.wait(20)
            if self.fault is not None:
                raise self.fault
            return evaluate()

        made._watch.evaluate_once = counted
        return made

    def need_a_scheduler(self, store):
        rows = (AutomationRow("a", "task", 1, "code", b'{"kind":"task","name":"a","options":{"every":"1h"}}'),)
        store.apply(
            AnnounceDefinitions(
                "code", rows, (ScheduleRow("a", "a", b'{"every":3600000}', self.clock.now() + 86_400_000),)
            )
        )

    async def until(self, fact):
        async with asyncio.timeout(60):
            while not fact():
                await asyncio.sleep(0.005)

    async def rounds(self, number=3):
        """Wait until so many rounds began and ended."""
        until = self.evaluations + number
        await self.until(lambda: self.evaluations >= until)

    async def close(self):
        for close in reversed(self._opened):
            await asyncio.to_thread(close)


@pytest_asyncio.fixture
async def site(tmp_path, monkeypatch):
    monkeypatch.setattr(watcher, "ROUND_INTERVAL_S", 0.01)
    monkeypatch.setattr(watchdog_ping, "EVERY_S", 0.0)
    async with serving(Outside()) as peer:
        made = Site(tmp_path, peer)
        yield made
        await made.close()


async def test_scheduler_takes_over_a_minute_after_the_watcher_is_gone(site, monkeypatch):
    """Not while it beats, and not before: of two who tell one is enough."""
    watcher_store, scheduler = site.process("watcher"), site.process("scheduler")
    calls = 0
    sessions = watcher.status.sessions

    def counted(*args, **options):
        nonlocal calls
        calls += 1
        return sessions(*args, **options)

    monkeypatch.setattr(watcher.status, "sessions", counted)
    life = site.watching(scheduler, is_standby=True)
    life.start()
    site.clock.forward(STANDBY_AFTER_MS - 1)
    watcher_store.apply(RecordHeartbeat())
    site.clock.forward(STANDBY_AFTER_MS - 1)
    before = calls
    await site.until(lambda: calls > before + 2)
    assert (site.evaluations, site.peer.requests) == (0, [])
    site.clock.forward(1)
    scheduler.apply(RecordHeartbeat())
    await site.rounds()
    await site.until(lambda: site.peer.received("/alive"))
    watcher_store.apply(RecordHeartbeat())
    before = calls
    await site.until(lambda: calls > before + 1)
    evaluations = site.evaluations
    await site.until(lambda: calls > before + 4)
    assert site.evaluations == evaluations, "it stands by again"
    await life.close()


async def test_scheduler_watches_at_once_where_no_watcher_ever_was(site):
    """`mainspring up --role worker,scheduler` is watched too."""
    life = site.watching(site.process("scheduler"), is_standby=True)
    started_at = site.clock.now()
    life.start()
    await site.rounds()
    await site.until(lambda: site.peer.received("/alive"))
    assert site.clock.now() == started_at, "it watches without waiting for others"
    await life.close()


async def test_evaluation_that_fails_is_made_again(site, caplog):
    """It is logged when it begins and ends, not each time."""
    life = site.watching(site.process("watcher"))
    site.fault = StoreUnavailableError("the server is away")
    life.start()
    await site.rounds()
    site.fault = None
    await site.rounds()
    messages = [record.getMessage() for record in caplog.records if record.name == "mainspring.watcher"]
    assert [text.partition(",")[0].partition(":")[0] for text in messages] == [
        "the watcher fails",
        "the watcher evaluates again",
    ]
    await life.close()


async def test_rollouts_are_guarded_although_the_evaluation_fails(site):
    """A monitor that cannot be evaluated keeps no bad version in force."""
    life = site.watching(site.process("watcher"))
    site.fault = ValueError("a monitor is broken")
    guarded = []
    life._rollouts.run_once = lambda: guarded.append(site.evaluations)
    life.start()
    await site.rounds()
    await life.close()
    assert len(guarded) >= 2


async def test_rollout_that_cannot_be_guarded_stops_no_evaluation(site, caplog):
    """The rest of the round is done, and then it is logged."""
    life = site.watching(site.process("watcher"))

    def fail():
        raise ValueError("its evidence cannot be read")

    life._rollouts.run_once = fail
    life.start()
    await site.until(lambda: site.peer.received("/alive"))
    await site.rounds()
    await life.close()
    assert "its evidence cannot be read" in caplog.text


async def test_outage_is_reported_without_the_store_while_a_evaluation_waits_for_it(site):
    """What is written on a full disk waits for as long as that is full: people hear of it beside that, and of the end."""
    life = site.watching(site.process("watcher"))
    life.start()
    await site.until(lambda: site.peer.received("/alive"))
    site.outage = "the disk of the store is full"
    await site.until(lambda: (Path(f"{site.settings.exec.spool}.store-lost.json")).exists())
    site.clock.forward(MINUTE)
    await site.until(lambda: site.peer.received("/told"))
    assert b"the disk of the store is full" in site.peer.received("/told")[0]
    signs = len(site.peer.received("/alive"))
    await site.rounds(10)
    assert len(site.peer.received("/alive")) == signs, "no sign while nothing can be written"
    site.outage = None
    await site.until(lambda: len(site.peer.received("/told")) == 2)
    assert b"accepts commits again" in site.peer.received("/told")[1]
    await life.close()


async def test_evaluation_that_does_not_end_is_reported_without_the_store(site):
    """Its process beats, so no one stands in for it: after five minutes and one in which it may pass, people hear of it, of its end too."""
    site.blocker = threading.Event()
    life = site.watching(site.process("watcher"))
    life.start()
    memory = Path(f"{site.settings.exec.spool}.store-lost.json")
    await site.until(lambda: site.evaluations)
    assert life._describe_hang() is None
    site.clock.forward(watcher.LONGEST_ROUND_MS - 1)
    assert life._describe_hang() is None
    site.clock.forward(1)
    await site.until(memory.exists)
    site.clock.forward(MINUTE)
    await site.until(lambda: site.peer.received("/told"))
    assert b"an evaluation has not ended for 5 minutes" in site.peer.received("/told")[0]
    site.blocker.set()
    await site.until(lambda: len(site.peer.received("/told")) == 2)
    await life.close()


async def test_ping_stops_when_the_scheduler_is_stuck(site):
    """The watcher lives, the worker beats, the store commits: and yet nothing would start any more."""
    watcher, worker, scheduler = site.process("watcher"), site.process("worker"), site.process("scheduler")
    site.need_a_scheduler(worker)
    life = site.watching(watcher)
    life.start()

    async def pass_minutes(number, *beating):
        for _ in range(number * 4):
            site.clock.forward(MINUTE // 4)
            for process in beating:
                process.apply(RecordHeartbeat())
            await site.rounds(2)

    await pass_minutes(7, watcher, worker, scheduler)
    signs = len(site.peer.received("/alive"))
    assert signs
    await pass_minutes(6, watcher, worker)
    signs = len(site.peer.received("/alive"))
    await pass_minutes(1, watcher, worker)
    assert len(site.peer.received("/alive")) == signs
    await pass_minutes(1, watcher, worker, scheduler)
    await site.until(lambda: len(site.peer.received("/alive")) > signs)
    await life.close()


async def test_secret_that_is_due_is_watched(site):
    """As the configuration dates it: a look has it on record."""
    env = {
        "MAINSPRING_SECRETS_DUE__GH_HOOK": "2001-01-31",
        "MAINSPRING_EXEC_SPOOL": site.settings.exec.spool.parent.as_posix(),
    }
    settings = load(env=env, cwd=site.settings.folder, uid=os.getuid(), flags={})
    store = site.process("watcher")
    await asyncio.to_thread(make_evaluation(settings, store).evaluate_once)
    (incident,) = incidents(store.reader, limit=10)
    assert (incident.subject.kind, incident.subject.fingerprint) == (IncidentKind.SECRET_DUE, "gh_hook")


async def test_watcher_that_slept_waits_for_heartbeats(site, monkeypatch):
    """A machine that slept wakes with everyone silent: one more rest, however late that is, and none where all is as usual."""
    life = site.watching(site.process("watcher"))
    rests = []

    async def slept(seconds):
        rests.append(seconds)
        site.clock.forward(naps.pop(0))

    monkeypatch.setattr(watcher.asyncio, "sleep", slept)
    for naps, expected in (([5_000], 1), ([600_000, 5_000], 2), ([600_000, 600_000], 2)):
        rests.clear()
        await life._wait_for_next_round()
        assert (len(rests), naps) == (expected, [])
    await life.close()
