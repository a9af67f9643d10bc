"""Webhooks whose receivers are killed under load: exactly the distinct genuine ids run, each once, and a sender hears the same again."""

import asyncio
import os
import signal
import socket
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.store.sqlite.store import SqliteStore
from tests.acceptance.one_project import Project
from tests.torture.sending import Answers, letters, send_all

ALL = bool(os.environ.get("MAINSPRING_CRASH_ALL"))
COUNT, KILLS, SENDERS = (100_000, 20, 32) if ALL else (2_000, 4, 16)
SECRET = "torture-torture-torture"
VICTIMS = ("web", "scheduler", "web", "worker")
WORK = """
import os, sqlite3
import mainspring as ms

@ms.on.webhook("/orders", verify=ms.verify.hmac("TORTURE", header="X-Signature"))
@ms.task
def order(number: int) -> int:
    with sqlite3.connect(os.environ["EFFECTS"], timeout=30) as effects:
        effects.execute("insert or ignore into effects values (?, ?)", (ms.idempotency_key(), number))
    return number
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")]


class Site:
    """A project whose webhook listener, scheduler and worker are processes that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.hooks, web = f"127.0.0.1:{_free_port()}", f"127.0.0.1:{_free_port()}"
        more = f'[web]\nbind = "{web}"\n[hooks]\nbind = "{self.hooks}"\n'
        self.project = Project(folder, WORK, more)
        self.project.effects.unlink()
        with closing(sqlite3.connect(self.project.effects)) as effects:
            effects.execute("create table effects (key text primary key, number int)")
        self.project.up("up")
        self.project.until(lambda: Path(self.project.store).exists())
        self.store = SqliteStore(Path(self.project.store), clock=SystemClock())
        self.store.open()
        self.project.until(lambda: self.rows("select 1 from triggers"))
        self.project.until(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.hooks}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def rows(self, text: str, *values: object) -> list[tuple[object, ...]]:
        return list(self.store.reader.read_text(text, values))

    def kill(self, role: str) -> None:
        """End a process of this role without a word; its supervisor starts another one."""
        pids = self.rows("select pid from sessions where state = 'alive' and role = ?", role)
        for (pid,) in pids[:1]:
            os.kill(int(str(pid)), signal.SIGKILL)

    def close(self) -> None:
        self.store.close()
        self.project.stop()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that takes webhooks in."""
    monkeypatch.setenv("MAINSPRING_SECRET_TORTURE", SECRET)
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(3_600 if ALL else 240)
def test_each_genuine_id_runs_once_whoever_is_killed(site: Site) -> None:
    """30 % of the ids come twice, 10 % out of order, 5 % forged, and receivers, schedulers and workers die meanwhile."""
    sent = letters(COUNT, seed=7)
    answers = Answers()
    sending = threading.Thread(
        target=lambda: asyncio.run(send_all(site.hooks, "/orders", SECRET, sent, SENDERS, answers)), daemon=True
    )
    sending.start()
    for number in range(KILLS):
        share = (number + 1) * COUNT // (KILLS + 1)
        _until(lambda share=share: len(answers.runs) >= share, sending)
        site.kill(VICTIMS[number % len(VICTIMS)])
    sending.join(3_000)
    assert not sending.is_alive()
    site.project.until(lambda: not site.rows("select 1 from runs where finished_at is null limit 1"))

    genuine = {f"id-{n}" for n in range(COUNT)}
    assert {id for id, is_genuine in answers.statuses if is_genuine} == genuine
    assert {status for (_, is_genuine), found in answers.statuses.items() if is_genuine for status in found} == {202}
    assert {status for (_, is_genuine), found in answers.statuses.items() if not is_genuine for status in found} == {
        401
    }
    assert [id for id, said in answers.runs.items() if len(said) > 1] == []
    rows = site.rows(
        "select deliveries.key, runs.state from deliveries join runs on runs.id = deliveries.run order by deliveries.key"
    )
    assert rows == [(key, "succeeded") for key in sorted(genuine)]
    assert site.rows("select count(*) from runs") == [(COUNT,)]
    with closing(sqlite3.connect(site.project.effects)) as effects:
        assert effects.execute("select count(*), count(distinct number) from effects").fetchall() == [(COUNT, COUNT)]


def _until(what: Callable[[], bool], sending: threading.Thread) -> None:
    until = time.monotonic() + (600 if ALL else 60)
    while not what():
        assert time.monotonic() < until, "the senders do not get on"
        if not sending.is_alive():
            return
        time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
