"""Webhooks whose receivers are killed under load: exactly the distinct genuine ids run, each once, and a sender hears the same again."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.one_project import TIMEOUT_S
from tests.torture.sending import Answers, letters, send_all
from tests.torture.site import SECRET, Site

ALL = bool(os.environ.get("TESTS_LONG"))
COUNT, KILLS, SENDERS = (100_000, 20, 32) if ALL else (1_000, 4, 16)
RUN_S = 0.02
"""What a run may take on the slowest machine, one after the other."""
VICTIMS = ("web", "scheduler", "web", "worker")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that takes webhooks in."""
    monkeypatch.setenv("MAINSPRING_SECRET_TORTURE", SECRET)
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(6_000 if ALL else 240)
def test_each_genuine_id_runs_once_despite_kills(site: Site) -> None:
    """30 % of the ids come twice, 10 % out of order, 5 % forged, and receivers, schedulers and workers die meanwhile."""
    sent = letters(COUNT, seed=7)
    answers = Answers()
    sending = threading.Thread(
        target=lambda: asyncio.run(send_all(site.hooks, "/orders", SECRET, sent, SENDERS, answers)), daemon=True
    )
    sending.start()
    for number in range(KILLS):
        share = (number + 1) * COUNT // (KILLS + 1)
        _until_answered(share, answers, sending)
        site.kill(VICTIMS[number % len(VICTIMS)])
    sending.join(3_000)
    assert not sending.is_alive()
    unfinished = "select 1 from runs where finished_at is null limit 1"
    site.project.until(lambda: not site.rows(unfinished), timeout_s=TIMEOUT_S + COUNT * RUN_S)

    genuine = {f"id-{n}" for n in range(COUNT)}
    assert {id for id, is_genuine in answers.statuses if is_genuine} == genuine
    assert {status for (_, is_genuine), found in answers.statuses.items() if is_genuine for status in found} == {202}
    assert {status for (_, is_genuine), found in answers.statuses.items() if not is_genuine for status in found} == {
        401
    }
    assert [id for id, answers_of_run in answers.runs.items() if len(answers_of_run) > 1] == []
    rows = site.rows(
        "select deliveries.key, runs.state from deliveries join runs on runs.id = deliveries.run order by deliveries.key"
    )
    assert rows == [(key, "succeeded") for key in sorted(genuine)]
    assert site.rows("select count(*) from runs") == [(COUNT,)]
    with closing(sqlite3.connect(site.project.effects)) as effects:
        assert effects.execute("select count(*), count(distinct number) from effects").fetchall() == [(COUNT, COUNT)]


def _until_answered(share: int, answers: Answers, sending: threading.Thread) -> None:
    """Wait until so many ids were answered."""
    until = time.monotonic() + (600 if ALL else 60)
    while len(answers.runs) < share and sending.is_alive():
        assert time.monotonic() < until, "the senders do not get on"
        time.sleep(0.01)
