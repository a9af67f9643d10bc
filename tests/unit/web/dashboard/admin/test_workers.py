"""Workers: who lives, what each has in hand, what blocks it; each button acts once and is reported."""

import json
import sqlite3
from contextlib import closing

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.sessions import CloseSession, RecordBlockedLoop, RecordHeartbeat
from mainspring.store.read.status.status import sessions
from mainspring.store.sqlite.store import SqliteStore
from tests.api_world import BACKUP, PAY, announce
from tests.unit.web.dashboard.page_world import printed_text


@pytest.fixture
def other(tmp_path):
    """Another process: a worker that takes eight runs at once."""
    store = SqliteStore(tmp_path / "s.db", clock=SystemClock())
    store.open()
    store.open_session("worker", capacity=8)
    announce(store, PAY, BACKUP)
    yield store
    store.close()


def states(world):
    return {session.id: session.state for session in sessions(world.store.reader, live=False)}


@pytest.mark.asyncio
async def test_page_lists_processes_and_their_work(world, other):
    """By role; a blocked one with its stack and the run that it has."""
    run = world.begin()
    other.apply(ClaimRuns("c1", 1))
    other.apply(RecordBlockedLoop(4_000, ("loop.py:1 run", "<script>x</script>.py:14 poll")))
    text = await world.get("/workers")
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;.py:14 poll" in text
    assert f'/r/{run}"' in text
    assert '<a class="plain figure" href="/workers?role=worker"><b>2</b><span>worker</span></a>' in text
    assert '<a href="/runs?state=running">1</a> <span class="quiet">of 8</span>' in text
    assert '<a href="/a/backup">backup</a>' in text
    rows = json.loads(await world.get("/workers", role="worker", **{"as": "json"}))
    assert [row["id"] for row in rows] == [world.store.session, other.session]
    assert "No process uses the store in this role" in await world.get("/workers", role="watcher")


@pytest.mark.asyncio
async def test_page_lists_the_usage_of_each_process(world, other):
    """Memory and its share of a core, as its newest beat said; of one that said nothing, and of one that ended, nothing."""
    assert 'data-name="Memory" class="number">-<' in await world.get("/workers")
    other.apply(RecordHeartbeat(300 * 1024**2, 1_250))
    text = await world.get("/workers")
    assert 'data-name="Memory" class="number">300 MiB<br><span class="quiet">125 % of a core</span>' in text
    rows = json.loads(await world.get("/workers", **{"as": "json"}))
    assert [(row["memory"], row["processor"]) for row in rows] == [(None, None), (300 * 1024**2, 1.25)]
    other.apply(CloseSession())
    assert "300 MiB" not in await world.get("/workers", ended="true")


@pytest.mark.asyncio
async def test_live_processes_are_listed_next_to_many_ended_ones(world, tmp_path):
    """Which a crontab line leaves one of each minute: only of those the newest are reported."""
    await world.get("/workers")
    copied = "uuid || n, 'exec', 'closed', host, hostname, pid, pid_started, lock_path, opened_at, beat_at, opened_at"
    with closing(sqlite3.connect(tmp_path / "s.db")) as file, file:
        file.execute(
            "with recursive line(n) as (select 1 union all select n + 1 from line where n < 1100) insert into sessions"
            f" (uuid, role, state, host, hostname, pid, pid_started, lock_path, opened_at, beat_at, ended_at) select {copied}"
            " from sessions, line"
        )
    text = await world.get("/workers", ended="true", limit="1")
    assert f'data-name="Session" class="number">{world.store.session}</td>' in text
    assert "<b>1</b><span>worker</span>" in text
    assert "<span>exec</span>" not in text


@pytest.mark.asyncio
async def test_process_without_a_beat_is_called_silent(world, other, tmp_path):
    """A supervisor has to beat as a worker has, and one that does not is reported as on the first page; a wrapped command need not."""
    store = SqliteStore(tmp_path / "s.db", clock=SystemClock())
    store.open()
    store.open_session("supervisor", posts=("worker",))
    wrapped = SqliteStore(tmp_path / "s.db", clock=SystemClock())
    wrapped.open()
    wrapped.open_session("exec")
    assert "silent" not in await world.get("/workers")
    with closing(sqlite3.connect(tmp_path / "s.db")) as file, file:
        file.execute("update sessions set opened_at = opened_at - 90000, beat_at = beat_at - 90000")
    assert "silent" not in await world.get("/workers", role="exec")
    assert (await world.get("/workers", role="supervisor")).count("</span> silent</span>") == 1
    assert (await world.get("/workers", role="worker")).count("</span> silent</span>") == 2
    assert "2 silent" in await world.get("/")
    wrapped.close()
    store.close()


@pytest.mark.asyncio
async def test_worker_drains_and_is_quarantined(world, other):
    """Each once, with the reason on record; who ended is still listed where it is asked for."""
    world.begin()
    other.apply(ClaimRuns("c1", 1))
    number = str(other.session)
    for _ in range(2):
        answer = await world.submit("/workers", "drain", who="olga", worker=number, reason="new machine", page="p1")
        assert printed_text(answer.text) == f"Done: drain worker {number}."
    assert states(world)[other.session] == "draining"
    answer = await world.submit("/workers", "quarantine", worker=number, reason="it lies", page="p2")
    assert printed_text(answer.text) == f"Done: quarantine worker {number}."
    assert states(world)[other.session] == "quarantined"
    assert f'value="{number}"' not in answer.text
    assert "quarantined" in await world.get("/workers", ended="true")
    operations = [operation for operation in world.auth.operations() if operation[1] == f"worker:{number}"]
    assert operations == [("quarantine", f"worker:{number}", "web:ana"), ("drain", f"worker:{number}", "web:olga")]


@pytest.mark.asyncio
async def test_impossible_operation_is_reported_in_place(world):
    """A worker that is not there; one's own process."""
    assert (await world.submit("/workers", "drain", worker="99999")).status_code == 404
    answer = await world.submit("/workers", "quarantine", worker=str(world.store.session), reason="why")
    assert answer.status_code == 409
    assert states(world)[world.store.session] == "alive"


@pytest.mark.asyncio
async def test_page_is_only_for_those_who_are_for_all(world, other):
    """And a viewer gets no buttons."""
    await world.get("/workers", who="payer", status=404)
    for act in ("drain", "quarantine"):
        assert await world.visible_to(f'value="{act}"', "/workers") == [True, False]


@pytest.mark.asyncio
async def test_page_stays_short_however_many_it_serves(world, other):
    """Of many automations some are named, and it is said how many there are."""
    announce(other, *(Definition(kind=DefinitionKind.TASK, name=f"a{number:03}") for number in range(70)))
    text = await world.get("/workers")
    assert "a049" in text
    assert "a050" not in text
    assert "70 automations" in text
    assert "and 20 more" in text
