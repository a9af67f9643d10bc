"""A lost store is reported straight to the channels: once it has lasted, once anyone who sees it, and its end to those who heard."""

import asyncio
import fcntl
import json
import os
import socket
from pathlib import Path

import pytest
import pytest_asyncio

from mainspring.app.alerting.fallback_alerting import FallbackAlerter, notify_store_lost
from mainspring.config import load
from mainspring.domain.errors import StoreFullError, StoreReadOnlyError, StoreUnavailableError
from mainspring.store.base import StoreRemovedError
from tests.contract.store.clock import FakeClock
from tests.unit.alerting.notices import secrets
from tests.unit.alerting.peer import DROP_AFTER, Peer, serving

pytestmark = pytest.mark.asyncio
REPORT_AFTER_MS = 60_000
FAULT = "the disk of the store is full\nat /srv/state.db: disk full"


class Hook(Peer):
    """Takes what is posted; `status` = what it answers."""

    def __init__(self):
        super().__init__()
        self.status = 200
        self.received = []

    def answer(self, path, headers, body):
        if self.status == 200:
            self.received.append((headers["webhook-id"], json.loads(body)["data"]))
        return self.status, {}, {}

    @property
    def abouts(self):
        return [data["about"] for _, data in self.received]


class Site:
    """Processes of one machine, all of whom see the same store."""

    def __init__(self, folder, peer):
        self.folder = folder
        self.peer = peer
        self.clock = FakeClock()
        self.made = []
        self.faults = secrets(told="whsec_" + "QUJD" * 8)
        channels = {"MAINSPRING_NOTIFY_CHANNELS__OPS": f"webhook+{peer.url}/t?secret=told"}
        spool = {"MAINSPRING_EXEC_SPOOL": str(folder / "spool"), "MAINSPRING_STORE_URL": str(folder / "s.db")}
        self.env = channels | spool
        self.settings = load(env=self.env, cwd=folder, uid=os.getuid(), flags={})
        self.file = Path(f"{self.settings.exec.spool}.store-lost.json")
        self.spare = folder / "shm"
        self.spare.mkdir()

    def fill(self):
        """From now on nothing can be written beside the spool."""
        (self.folder / "taken").write_text("")
        env = self.env | {"MAINSPRING_EXEC_SPOOL": str(self.folder / "taken" / "spool")}
        self.settings = load(env=env, cwd=self.folder, uid=os.getuid(), flags={})

    def process(self, commit=None):
        self.made.append(FallbackAlerter(self.settings, self.faults, self.clock, "sqlite /srv/state.db", commit))
        return self.made[-1]

    async def lost(self, error):
        await notify_store_lost(self.settings, self.faults, self.clock, "sqlite /srv/state.db", error)


@pytest_asyncio.fixture
async def site(tmp_path, monkeypatch):
    async with serving(Hook()) as peer:
        made = Site(tmp_path, peer)
        monkeypatch.setattr("mainspring.app.alerting.outage_log.list_spare_folders", lambda: (made.spare,))
        yield made
        for process in made.made:
            await process.close()


async def test_hiccup_is_not_reported(site):
    """What is over within the minute leaves nothing behind, and the next one has its own minute."""
    process = site.process()
    for _ in range(2):
        await process.report_outage(FAULT)
        site.clock.forward(REPORT_AFTER_MS - 1)
        await process.report_outage(FAULT)
        await process.report_recovery()
    assert (site.peer.received, site.file.exists()) == ([], False)


async def test_lost_store_is_reported_once_and_its_end_too(site):
    """In one line, by what is wrong, not by where in SQLite; the file that remembers goes with the end."""
    process = site.process()
    await process.report_outage(FAULT)
    for _ in range(3):
        site.clock.forward(REPORT_AFTER_MS)
        await process.report_outage(FAULT)
    ((_, message),) = site.peer.received
    assert message["headline"] == (
        "[page] mainspring: the store cannot be read or written: the disk of the store is full"
    )
    for _ in range(3):
        await process.report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]
    assert site.peer.received[0][1]["key"] == site.peer.received[1][1]["key"]
    assert not site.file.exists()


async def test_processes_that_start_again_count_as_one(site):
    """None of them lives for a minute, and it is reported after a minute all the same; the last one tells its end."""
    for _ in range(8):
        await site.process().report_outage(FAULT)
        site.clock.forward(REPORT_AFTER_MS // 4)
    assert site.peer.abouts == ["opened"]
    await site.process().report_recovery()
    await site.process().report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_watcher_and_scheduler_report_it_once(site):
    """Both see it for as long as it lasts, and each sees the end in its own time."""
    watcher, scheduler = site.process(), site.process()
    for _ in range(5):
        await watcher.report_outage(FAULT)
        await scheduler.report_outage(FAULT)
        site.clock.forward(REPORT_AFTER_MS // 2)
    assert site.peer.abouts == ["opened"]
    await scheduler.report_recovery()
    await watcher.report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_process_about_to_report_is_not_disturbed(site):
    """While another process has the word no one says the same beside it."""
    process = site.process()
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    with open(f"{site.file}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await process.report_outage(FAULT)
        await process.report_recovery()
    assert site.peer.received == []
    await process.report_outage(FAULT)
    assert site.peer.abouts == ["opened"]


async def test_channel_that_is_unreachable_hears_later(site):
    """Of the loss, and of its end; a notice that came through without our knowing has the same id the second time."""
    process = site.process()
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    site.peer.status = 503
    await process.report_outage(FAULT)
    site.peer.status = 200
    site.peer.faults = [("/t", DROP_AFTER)]
    await process.report_outage(FAULT)
    await process.report_outage(FAULT)
    assert site.peer.abouts == ["opened", "opened"]
    assert len({id for id, _ in site.peer.received}) == 1
    site.peer.status = 503
    await process.report_recovery()
    assert site.file.exists()
    site.peer.status = 200
    await site.process().report_recovery()
    assert site.peer.abouts == ["opened", "opened", "resolved"]


async def test_it_is_reported_once_where_the_spool_is_on_the_same_disk(site):
    """A disk that is full has no room for the memory either: it is kept elsewhere, no matter who sees the store, and goes with the end."""
    site.fill()
    for _ in range(3):
        watcher, scheduler = site.process(), site.process()
        await watcher.report_outage(FAULT)
        await scheduler.report_outage(FAULT)
        site.clock.forward(REPORT_AFTER_MS)
    assert site.peer.abouts == ["opened"]
    for _ in range(2):
        await site.process().report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]
    assert list(site.spare.rglob("*.json")) == []


@pytest.mark.parametrize("error", [StoreFullError("its disk is full"), StoreReadOnlyError("it may only be read")])
async def test_programs_that_end_remember_where_the_spool_is_on_the_same_disk(site, error):
    """A crontab tells it once it has lasted, and says it no second time."""
    site.fill()
    for _ in range(3):
        await site.lost(error)
        site.clock.forward(REPORT_AFTER_MS)
    assert site.peer.abouts == ["opened"]
    await site.process().report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_ending_program_reports_unrecorded_outages(site, monkeypatch):
    """The next one would not know how long it has lasted: better told too often than never."""
    site.fill()
    monkeypatch.setattr("mainspring.app.alerting.outage_log.list_spare_folders", tuple)
    await site.lost(StoreFullError("its disk is full"))
    assert site.peer.abouts == ["opened"]


async def test_it_is_reported_where_nothing_can_be_written(site, monkeypatch):
    """By this process once."""
    site.fill()
    monkeypatch.setattr("mainspring.app.alerting.outage_log.list_spare_folders", tuple)
    process = site.process()
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    await process.report_outage(FAULT)
    await process.report_outage(FAULT)
    assert site.peer.abouts == ["opened"]
    await process.report_recovery()
    await process.report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_damaged_memory_is_no_memory(site):
    """It is reported again rather than never."""
    site.file.parent.mkdir()
    site.file.write_bytes(b"\0\0\0")
    process = site.process()
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    await process.report_outage(FAULT)
    assert site.peer.abouts == ["opened"]


@pytest.mark.parametrize(
    "error", [StoreRemovedError("the store's file is gone"), StoreReadOnlyError("it may only be read")]
)
async def test_end_of_all_processes_is_reported_at_once_and_once(site, error):
    """No one is left to wait a minute; anyone who starts them in vain again and again does not repeat it."""
    await site.lost(error)
    await site.lost(error)
    assert site.peer.abouts == ["opened"]
    await site.process().report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_server_that_is_not_there_yet_is_waited_for(site):
    """A start in vain is no alarm by itself; a minute of them is."""
    error = StoreUnavailableError("the server is out of reach")
    await site.lost(error)
    assert site.peer.received == []
    site.clock.forward(REPORT_AFTER_MS)
    await site.lost(error)
    assert site.peer.abouts == ["opened"]


async def test_exit_code_reports_it_without_channels(site, capfd):
    """Anyone who started it at a terminal reads the error itself; nothing is written down."""
    site.settings = load(
        env={"MAINSPRING_EXEC_SPOOL": str(site.folder / "spool")}, cwd=site.folder, uid=os.getuid(), flags={}
    )
    await site.lost(StoreRemovedError("the store's file is gone"))
    assert capfd.readouterr().err == ""
    assert not site.file.exists()


class Store:
    """Takes what is written down, once it is back; `fault` = what it answers instead."""

    def __init__(self):
        self.lost = []
        self.fault = None

    async def commit(self, command):
        if self.fault is not None:
            raise self.fault
        self.lost.append(command)


async def test_lost_store_is_written_down_when_it_is_back(site):
    """Once, by whichever process, from the instant at which it was lost; and the end is reported all the same."""
    store = Store()
    process = site.process(store.commit)
    started_at = site.clock.now()
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    await process.report_outage(FAULT)
    site.peer.status = 503
    await process.report_recovery()
    await site.process(store.commit).report_recovery()
    site.peer.status = 200
    await site.process(store.commit).report_recovery()
    (lost,) = store.lost
    assert (lost.since_at, lost.over_at) == (started_at, started_at + REPORT_AFTER_MS)
    assert lost.text == "the store could not be read or written: the disk of the store is full"
    assert lost.facts["notified"] == ["ops"]
    assert site.peer.abouts == ["opened", "resolved"]


async def test_hiccup_is_not_written_down(site):
    """What no one was notified of is no incident."""
    store = Store()
    process = site.process(store.commit)
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS - 1)
    await process.report_recovery()
    assert store.lost == []
    assert not site.file.exists()


async def test_store_that_is_unreachable_again_is_not_over(site):
    """Its end learns when it is; that it was lost twice meanwhile is one loss."""
    store = Store()
    process = site.process(store.commit)
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    await process.report_outage(FAULT)
    store.fault = StoreUnavailableError("away again")
    await process.report_recovery()
    assert (store.lost, site.peer.abouts) == ([], ["opened"])
    await process.report_outage(FAULT)
    store.fault = None
    await process.report_recovery()
    assert (len(store.lost), site.peer.abouts) == (1, ["opened", "resolved"])


async def test_end_is_reported_although_it_cannot_be_written_down(site):
    """A store that takes commits but not this one keeps no one waiting for the good news."""
    store = Store()
    store.fault = ValueError("a mistake of ours")
    process = site.process(store.commit)
    await process.report_outage(FAULT)
    site.clock.forward(REPORT_AFTER_MS)
    await process.report_outage(FAULT)
    await process.report_recovery()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_how_long_it_may_be_lost_is_a_setting(site):
    """Zero tells at the first sight of it."""
    env = {**site.env, "MAINSPRING_NOTIFY_STORE_LOST_AFTER": "0s"}
    site.settings = load(env=env, cwd=site.folder, uid=os.getuid(), flags={})
    await site.process().report_outage(FAULT)
    assert site.peer.abouts == ["opened"]


async def test_channel_that_hangs_keeps_no_other_from_hearing(site):
    """A mail server that never says its first word: anyone who ends in ten seconds has told the others by then."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = f"smtp://127.0.0.1:{silent.getsockname()[1]}/ana@example.com"
        site.settings = load(
            env=site.env | {"MAINSPRING_NOTIFY_CHANNELS__A": mail}, cwd=site.folder, uid=os.getuid(), flags={}
        )
        process = site.process()
        reporting = asyncio.create_task(process.report_outage(FAULT, at_once=True))
        async with asyncio.timeout(60):
            while not json.loads(site.file.read_bytes() if site.file.exists() else b'{"notified": {}}')["notified"]:
                await asyncio.sleep(0)
        assert not reporting.done()
        reporting.cancel()
        await asyncio.wait([reporting])
    assert json.loads(site.file.read_bytes())["notified"].keys() == {"ops"}
