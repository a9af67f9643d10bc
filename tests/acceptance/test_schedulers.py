"""Several scheduler processes on one server, killed and started again: each slot is made once, and none is left out.

A server that goes away ends no `mainspring up`: its posts are whole again once it answers.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import mainspring as ms
from mainspring.app.processes.launch_spec import LaunchSpec
from mainspring.domain.clock import SystemClock
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.store import PostgresStore
from tests.acceptance.test_roles import Site
from tests.polling import polls
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROOT = Path(__file__).resolve().parents[2]
SCHEDULES, SCHEDULERS, KILLS, SECONDS = 20, 3, 8, 12.0
TIMEOUT_S = 60.0


def until(fact: Callable[[], object], description: str) -> None:
    assert any(fact() for _ in polls(TIMEOUT_S)), description


def declared() -> Registry:
    with Registry() as registry:
        for number in range(SCHEDULES):

            @ms.task(name=f"beat{number}", every="1s", overlap="allow", misfire="all")
            def beat() -> None: ...

    return registry


def test_schedulers_that_are_killed_make_each_slot_once(postgres: PostgresServer, tmp_path: Path) -> None:
    """Three of them at once; one after the other dies by kill -9: no second is missing, none is twice."""
    url = postgres.new_store()
    (tmp_path / "mainspring.toml").write_text(f'[store]\nurl = "{url}"\n[worker]\nlease = "2s"\n')
    store = PostgresStore(read_address(url), locks=tmp_path / "locks", clock=SystemClock())
    store.open()
    store.apply(build_announcement(declared(), store.clock.now()))
    store.close()
    handover = LaunchSpec({}, str(tmp_path / "mainspring.toml"), (), role="scheduler", parent=os.getpid())
    words = [sys.executable, "-m", "mainspring.app.processes.scheduler_process"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}

    lines = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "log").open("ab") as log:
            process, line = handover.start(words, cwd=tmp_path, env=env, stdout=log, stderr=log)
            lines.append(line)
            return process

    running = [start() for _ in range(SCHEDULERS)]
    address, _, schema = url.partition("?schema=")
    with psycopg.connect(address, autocommit=True, options=f"-c search_path={schema}") as database:

        def count() -> int:
            row = database.execute("select count(*) from slots").fetchone()
            return int(row[0]) if row else 0

        def all_are_there() -> bool:
            rows = database.execute("select pid from sessions where ended_at is null").fetchall()
            return {process.pid for process in running} <= {pid for (pid,) in rows}

        try:
            for number in range(1, KILLS + 1):
                until(lambda want=number: count() >= want * SCHEDULES, (tmp_path / "log").read_text())  # type: ignore[misc]
                victim = running.pop(0)
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                running.append(start())
            until(lambda: count() >= SECONDS * SCHEDULES, (tmp_path / "log").read_text())
            until(all_are_there, "not all schedulers came")  # one that is asked to end while Python starts just dies
        finally:
            for process in running:
                process.terminate()
            codes = [process.wait(20) for process in running]
            for line in lines:
                line.close()
        assert codes == [0] * SCHEDULERS
        slots = database.execute(
            "select schedule, slot_at, verdict, run from slots order by schedule, slot_at"
        ).fetchall()
        runs = database.execute("select id from runs").fetchall()
    assert {verdict for _, _, verdict, _ in slots} == {"run"}
    assert sorted(run for *_, run in slots) == sorted(run for (run,) in runs)
    for name in {schedule for schedule, *_ in slots}:
        at = [slot_at for schedule, slot_at, *_ in slots if schedule == name]
        assert at == list(range(at[0], at[-1] + 1, 1_000)), name


def test_up_outlives_its_server(tmp_path: Path) -> None:
    """The server is killed and comes back after longer than a lease: the same supervisor has all its processes again; work continues."""
    server = PostgresServer().start()
    try:
        site = Site(tmp_path, server.new_store())
        up = site.up()
        try:
            site.until(site.is_whole, "not all came")
            server.kill()
            site.until(lambda: site.get("/readyz")[0] == 503, "web believes the store is there")
            assert site.get("/healthz") == (200, "ok\n")
            site.until(lambda: "the lease of session" in site.logs(), "the worker did not end itself")
            assert up.poll() is None
            server.start()
            site.until(site.is_whole, "not all are there again")
            made = site.slots()
            site.until(lambda: site.slots() > made, "the scheduler stands still")
            assert up.poll() is None
        finally:
            site.close()
    finally:
        server.remove()
