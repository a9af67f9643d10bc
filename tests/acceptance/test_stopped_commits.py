"""A machine stops when its COMMIT is on its way: others continue with its runs in time, whatever became of that COMMIT."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from tests.acceptance.fleet import Fleet, may_be_made
from tests.acceptance.test_takeover import ALL, AUTOMATIONS, LOADED_S, POLL_S, state_of, written
from tests.postgres_proxy import Held, Proxy
from tests.postgres_server import PostgresServer

RUNNING_WORK = """
select client_port from sessions join pg_locks on locktype = 'advisory' and granted and (classid::bigint << 32) + objid::bigint = instance
join pg_stat_activity as activity on activity.pid = pg_locks.pid where sessions.role = 'worker'
"""
LEASE_S = 8.0
"""Half of it stands a transaction idle before the server ends it; until then the line must be ready to keep something."""
CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
lease = "{LEASE_S:.0f}s"
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    if not may_be_made():
        pytest.skip("no namespaces may be made here")
    made = Fleet(tmp_path, postgres.new_store(), code=AUTOMATIONS, config=CONFIG)
    yield made
    made.close()


@pytest.fixture
def line(postgres: PostgresServer) -> Iterator[Proxy]:
    made = Proxy(postgres.port)
    yield made
    made.close()


@pytest.mark.parametrize("held", get_args(Held) if ALL else ("half", "answer"))
def test_runs_continue_in_time_when_a_machine_stops_within_its_commit(fleet: Fleet, line: Proxy, held: Held) -> None:
    """Its COMMIT is on the way, half there, or done: its runs are elsewhere within lease and two polls, and it stays dead."""
    fleet.start(4)
    url = fleet.env["MAINSPRING_STORE_URL"]
    through = url.replace(f":{urlsplit(url).port}/", f":{line.port}/")
    stopped = fleet.up("a", "commit.before:stop@6", MAINSPRING_STORE_URL=through)
    worker = stopped.worker()
    fleet.until(lambda: state_of(worker) == "T")
    ((port,),) = fleet.until(lambda: fleet.rows(RUNNING_WORK))
    line.hold(port, held)
    os.kill(worker, signal.SIGCONT)
    fleet.until(line.holds.is_set)
    stopped.send(signal.SIGSTOP)
    stopped_at = time.monotonic()
    ((session,),) = fleet.rows("select id from sessions where role = 'worker'")
    fleet.up("b")
    fleet.until(lambda: fleet.rows("select state from sessions where id = %s", session) == [("dead",)])
    fleet.until(
        lambda: fleet.rows("select count(*) from runs where session is null or session = %s", session) == [(0,)]
    )
    duration_s = time.monotonic() - stopped_at
    assert duration_s <= LEASE_S + 2 * POLL_S + LOADED_S, (
        f"the runs of the stopped machine waited for {duration_s:.1f} s"
    )
    fleet.blocker_file.touch()
    fleet.until(lambda: fleet.have_succeeded(4))
    before = written(fleet)
    line.deliver()
    stopped.send(signal.SIGCONT)
    fleet.until(lambda: state_of(worker) in "ZX")
    assert written(fleet) == before
    assert fleet.doubled() == []
    assert Counter(text for _, _, text in fleet.noted() if text.startswith("send")).most_common(1)[0][1] == 1
