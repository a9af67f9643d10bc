"""A lost store is told straight to the channels: once it has lasted, once whoever sees it, and its end to those who heard."""

import fcntl
import json
import os

import pytest
import pytest_asyncio

from mainspring.app.reserved import TELL_AFTER_MS, Reserved, tell_lost
from mainspring.config import load
from mainspring.domain.errors import StoreReadOnlyError, StoreUnavailableError
from mainspring.store.base import StoreGoneError
from tests.contract.store.clock import FakeClock
from tests.unit.operations.notices import secrets
from tests.unit.operations.peer import DROP_AFTER, Peer, serving

pytestmark = pytest.mark.asyncio
FAULT = "the disk of the store is full\nat /srv/state.db: disk full"


class Hook(Peer):
    """Takes what is posted; `status` = what it answers."""

    def __init__(self):
        super().__init__()
        self.status = 200
        self.told = []

    def answer(self, path, headers, body):
        if self.status == 200:
            self.told.append((headers["webhook-id"], json.loads(body)["data"]))
        return self.status, {}, {}

    @property
    def abouts(self):
        return [data["about"] for _, data in self.told]


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
        self.settings = load(env=channels | spool, cwd=folder, uid=os.getuid(), flags={})
        self.file = folder / "spool.store-lost.json"

    def process(self):
        self.made.append(Reserved(self.settings, self.faults, self.clock, "sqlite /srv/state.db"))
        return self.made[-1]

    async def lost(self, error):
        await tell_lost(self.settings, self.faults, self.clock, "sqlite /srv/state.db", error)


@pytest_asyncio.fixture
async def site(tmp_path):
    async with serving(Hook()) as peer:
        made = Site(tmp_path, peer)
        yield made
        for process in made.made:
            await process.close()


async def test_hiccup_is_told_to_nobody(site):
    """What is over within the minute leaves nothing behind, and the next one has its own minute."""
    one = site.process()
    for _ in range(2):
        await one.look(FAULT)
        site.clock.forward(TELL_AFTER_MS - 1)
        await one.look(FAULT)
        await one.over()
    assert (site.peer.told, site.file.exists()) == ([], False)


async def test_lost_store_is_told_once_and_its_end_too(site):
    """In one line, by what is wrong, not by where in SQLite; the file that remembers goes with the end."""
    one = site.process()
    await one.look(FAULT)
    for _ in range(3):
        site.clock.forward(TELL_AFTER_MS)
        await one.look(FAULT)
    ((_, told),) = site.peer.told
    assert told["headline"] == ("[page] mainspring: the store cannot be read or written: the disk of the store is full")
    for _ in range(3):
        await one.over()
    assert site.peer.abouts == ["opened", "resolved"]
    assert site.peer.told[0][1]["key"] == site.peer.told[1][1]["key"]
    assert not site.file.exists()


async def test_processes_that_start_again_count_as_one(site):
    """None of them lives for a minute, and it is told after a minute all the same; the last one tells its end."""
    for _ in range(8):
        await site.process().look(FAULT)
        site.clock.forward(TELL_AFTER_MS // 4)
    assert site.peer.abouts == ["opened"]
    await site.process().over()
    await site.process().over()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_watcher_and_scheduler_tell_it_once(site):
    """Both see it for as long as it lasts, and each sees the end in its own time."""
    watcher, scheduler = site.process(), site.process()
    for _ in range(5):
        await watcher.look(FAULT)
        await scheduler.look(FAULT)
        site.clock.forward(TELL_AFTER_MS // 2)
    assert site.peer.abouts == ["opened"]
    await scheduler.over()
    await watcher.over()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_who_is_about_to_tell_is_not_disturbed(site):
    """While another process has the word nobody says the same beside it."""
    one = site.process()
    await one.look(FAULT)
    site.clock.forward(TELL_AFTER_MS)
    with open(f"{site.file}.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await one.look(FAULT)
        await one.over()
    assert site.peer.told == []
    await one.look(FAULT)
    assert site.peer.abouts == ["opened"]


async def test_channel_that_is_away_hears_later(site):
    """Of the loss, and of its end; a notice that came through without our knowing has the same id the second time."""
    one = site.process()
    await one.look(FAULT)
    site.clock.forward(TELL_AFTER_MS)
    site.peer.status = 503
    await one.look(FAULT)
    site.peer.status = 200
    site.peer.faults = [("/t", DROP_AFTER)]
    await one.look(FAULT)
    await one.look(FAULT)
    assert site.peer.abouts == ["opened", "opened"]
    assert len({id for id, _ in site.peer.told}) == 1
    site.peer.status = 503
    await one.over()
    assert site.file.exists()
    site.peer.status = 200
    await site.process().over()
    assert site.peer.abouts == ["opened", "opened", "resolved"]


async def test_it_is_told_where_nothing_can_be_written(site):
    """A disk that is full has no room for the memory either: it is told, by this process once."""
    site.folder.joinpath("taken").write_text("")
    site.settings = load(
        env={
            "MAINSPRING_NOTIFY_CHANNELS__OPS": f"webhook+{site.peer.url}/t?secret=told",
            "MAINSPRING_EXEC_SPOOL": str(site.folder / "taken" / "spool"),
        },
        cwd=site.folder,
        uid=os.getuid(),
        flags={},
    )
    one = site.process()
    await one.look(FAULT)
    site.clock.forward(TELL_AFTER_MS)
    await one.look(FAULT)
    await one.look(FAULT)
    assert site.peer.abouts == ["opened"]
    await one.over()
    await one.over()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_damaged_memory_is_no_memory(site):
    """It is told again rather than never."""
    site.file.write_bytes(b"\0\0\0")
    one = site.process()
    await one.look(FAULT)
    site.clock.forward(TELL_AFTER_MS)
    await one.look(FAULT)
    assert site.peer.abouts == ["opened"]


@pytest.mark.parametrize(
    "error", [StoreGoneError("the store's file is gone"), StoreReadOnlyError("it may only be read")]
)
async def test_end_of_all_processes_is_told_at_once_and_once(site, error):
    """Nobody is left to wait a minute; whoever starts them in vain again and again does not repeat it."""
    await site.lost(error)
    await site.lost(error)
    assert site.peer.abouts == ["opened"]
    await site.process().over()
    assert site.peer.abouts == ["opened", "resolved"]


async def test_server_that_is_not_there_yet_is_waited_for(site):
    """A start in vain is no alarm by itself; a minute of them is."""
    error = StoreUnavailableError("the server is out of reach")
    await site.lost(error)
    assert site.peer.told == []
    site.clock.forward(TELL_AFTER_MS)
    await site.lost(error)
    assert site.peer.abouts == ["opened"]


async def test_without_channels_the_exit_says_it(site, capfd):
    """Whoever started it at a terminal reads the error itself; nothing is written down."""
    site.settings = load(
        env={"MAINSPRING_EXEC_SPOOL": str(site.folder / "spool")}, cwd=site.folder, uid=os.getuid(), flags={}
    )
    await site.lost(StoreGoneError("the store's file is gone"))
    assert capfd.readouterr().err == ""
    assert not site.file.exists()
