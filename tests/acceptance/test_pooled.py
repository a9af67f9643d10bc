"""A store behind pgbouncer in transaction mode, and how many connections a worker takes."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from mainspring.domain.errors import StoreError
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.change_notifications import ChangeNotifications
from mainspring.store.postgres.connection import POOLED, connect, is_pooled
from tests.acceptance.test_postgres import TIMEOUT_S, Team
from tests.pgbouncer import Pooler, program
from tests.postgres_server import PostgresServer

MOST = 5
COUNT = 40
LEASE_S = 3.0
LEFT_BEHIND = """
select pg_backend_pid(), current_setting('search_path'), current_setting('statement_timeout'), current_setting('lock_timeout'),
       current_setting('idle_in_transaction_session_timeout'), current_setting('enable_seqscan'), current_setting('jit'),
       (select count(*) from pg_listening_channels()), (select count(*) from pg_prepared_statements),
       (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())
"""


@pytest.fixture
def pooler(postgres: PostgresServer) -> Iterator[Pooler]:
    if program() is None:
        message = "pgbouncer is not installed here (apt install pgbouncer): the tests behind it are not run"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    made = Pooler(postgres, default_pool_size="3")
    yield made
    made.close()


@pytest.fixture
def team(tmp_path: Path, postgres: PostgresServer) -> Iterator[Team]:
    made = Team(tmp_path, postgres.new_store())
    yield made
    made.close()


def workers(team: Team) -> list[int]:
    return [session["pid"] for session in team.call("workers", "list") if session["role"] == "worker"]


@pytest.mark.slow
def test_a_pooler_in_transaction_mode_is_enough(team: Team, pooler: Pooler, postgres: PostgresServer) -> None:
    """Workers and commands continue through it over a kill, nothing of ours stays in its sessions, and each place reports once."""
    team.env["MAINSPRING_STORE_URL"] = pooler.url(team.env["MAINSPRING_STORE_URL"])
    supervisor = team.up()
    (worker,) = team.until(lambda: workers(team))
    started = team.begin(12)
    team.until(lambda: len(team.effects.read_text().splitlines()) >= 6)
    assert team.states().count("succeeded") < 12
    os.kill(worker, signal.SIGKILL)
    assert started.wait(TIMEOUT_S) == 0
    team.until(lambda: team.states().count("succeeded") == 12)
    lines = {line.split(" ", 1)[1] for line in team.effects.read_text().splitlines()}
    assert len(lines) == 24  # each effect under one key, whatever was lost

    assert team.call("status")["notice"] == POOLED
    (store,) = [check for check in team.call("doctor") if check["name"] == "store"]
    assert POOLED in store["text"]
    assert store["state"] == "ok"
    log = (team.folder / "log0").read_text()
    assert 1 <= log.count(POOLED) <= 3  # once for each process: the one that was killed, the next, one on probation
    for row in left_behind(pooler, postgres, 3):
        assert row[1:] == ('"$user", public', "0", "0", "0", "on", "on", 0, 0, 0)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(TIMEOUT_S) == 0


@pytest.mark.slow
def test_pooler_that_is_killed_and_stopped_under_load_loses_and_doubles_nothing(team: Team, pooler: Pooler) -> None:
    """Two workers work while it dies three times and is stopped beyond the lease: all runs end, each effect under one key."""
    direct = team.env["MAINSPRING_STORE_URL"]
    team.env |= {"MAINSPRING_STORE_URL": pooler.url(direct), "MAINSPRING_WORKER_LEASE": f"{LEASE_S}s"}
    team.env["MAINSPRING_UP_PROCESSES"] = "2"
    team.up()
    team.until(lambda: len(workers(team)) == 2)
    programs = [team.begin(COUNT)]
    for effects in (COUNT // 4, COUNT // 2, COUNT * 3 // 4):
        team.until(lambda least=effects: len(team.effects.read_text().splitlines()) >= least)
        pooler.kill()
        pooler.start()
    programs.append(team.begin(COUNT))  # the first runs may all have ended by now
    team.until(lambda: team.states().count("running") > 0)
    pooler.send(signal.SIGSTOP)
    stopped_at = time.monotonic()
    team.until(lambda: time.monotonic() > stopped_at + LEASE_S * 1.5)
    pooler.send(signal.SIGCONT)
    assert [program.wait(TIMEOUT_S) for program in programs] == [0, 0]
    team.until(lambda: team.states().count("succeeded") == 2 * COUNT)
    keys = {tuple(line.split(" ", 2)[1:]) for line in team.effects.read_text().splitlines()}
    assert len(keys) == 2 * 2 * COUNT
    assert {text for _, text in keys} == {f"{verb} {n}" for verb in ("charge", "send") for n in range(COUNT)}


def left_behind(pooler: Pooler, postgres: PostgresServer, size: int) -> list[tuple]:
    """Return what each of the pooler's sessions has, from transactions that are open at once."""
    lines = [psycopg.connect(pooler.url(postgres.url("postgres")), prepare_threshold=None) for _ in range(size)]
    try:
        rows = [line.execute(LEFT_BEHIND).fetchone() for line in lines]
    finally:
        for line in lines:
            line.close()
    found = [row for row in rows if row is not None]
    assert len({row[0] for row in found}) == size
    return found


def test_pooled_and_direct_connections_are_distinguished(pooler: Pooler, postgres: PostgresServer) -> None:
    """What would stay in a session of the server is used only where the session is ours."""
    store = postgres.new_store()
    hints = ChangeNotifications("public", 1, time.monotonic)
    with connect(read_address(store)) as direct, connect(read_address(pooler.url(store))) as pooled:
        assert not is_pooled(direct)
        assert is_pooled(pooled)
        assert hints.descriptor(direct) == direct.fileno()
        assert hints.descriptor(pooled) is None


def test_setting_that_a_pooler_rejects_is_reported_with_its_fix(pooler: Pooler, postgres: PostgresServer) -> None:
    """A setting in the address names the key of pgbouncer that lets it through."""
    with pytest.raises(StoreError, match="does not accept") as refused:
        connect(read_address(pooler.url(postgres.new_store()) + "&options=-cjit%3Doff"))
    assert "ignore_startup_parameters" in (refused.value.hint or "")


def test_a_worker_takes_at_most_five_connections(team: Team, postgres: PostgresServer) -> None:
    """Under load, with commands and pages beside it, no process has more, and the server counts no others."""
    with psycopg.connect(postgres.url("postgres")) as before:
        started_at = before.execute("select now()").fetchone()
    supervisor = team.up()
    team.until(lambda: len(workers(team)) == 1)
    most: Counter[int] = Counter()
    started = team.begin(12)
    until = time.monotonic() + TIMEOUT_S
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as watch:
        while (started.poll() is None or team.effects.read_text().count("send") < 12) and time.monotonic() < until:
            own = connections(supervisor, postgres.port)
            for pid, count in own.items():
                most[pid] = max(most[pid], count)
            row = watch.execute(
                "select count(*) from pg_stat_activity where application_name = 'mainspring' and backend_start > %s",
                started_at,
            ).fetchone()  # other tests on this server may still have some
            assert row is not None
            assert row[0] <= MOST * (len(family(supervisor)) + 1)  # and a command, if there is one
    assert started.wait(TIMEOUT_S) == 0
    assert set(workers(team)) <= set(most)
    assert max(most.values()) <= MOST, most


def family(supervisor: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the supervisor and what it started."""
    process = psutil.Process(supervisor.pid)
    return [process, *process.children(recursive=True)]


def connections(supervisor: subprocess.Popen[bytes], port: int) -> dict[int, int]:
    """Return how many lines each of their processes has to the server."""
    found = {}
    for process in family(supervisor):
        try:
            found[process.pid] = sum(
                bool(line.raddr) and line.raddr.port == port for line in process.net_connections("tcp")
            )
        except psutil.Error:
            continue
    return found
