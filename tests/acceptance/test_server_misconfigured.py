"""A server whose settings or grants are wrong for a while, after `mainspring up` opened the store: an outage with a named reason."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.test_postgres import TIMEOUT_S, Team
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def role() -> str:
    return f"limited_{os.getpid()}"


@pytest.fixture
def schema(postgres: PostgresServer) -> str:
    return postgres.new_store().partition("?schema=")[2]


@pytest.fixture
def team(tmp_path: Path, postgres: PostgresServer, role: str, schema: str) -> Iterator[Team]:
    """A project that works on its store as a role that owns nothing."""
    url = f"{postgres.url('postgres')}?schema={schema}"
    made = Team(tmp_path, url)
    made.call("db", "migrate", "--create")
    postgres.execute(f"create role {role} login; {granted(role, schema)}")
    made.env["MAINSPRING_STORE_URL"] = url.replace("//mainspring@", f"//{role}@")
    made.env["MAINSPRING_UP_ROLES"] = "worker,scheduler,watcher"
    made.env["MAINSPRING_WORKER_LEASE"] = "5s"
    yield made
    made.close()
    postgres.execute(f"drop owned by {role}; drop role {role}")


def granted(role: str, schema: str) -> str:
    """Return the statements of docs/how-to/postgres.md."""
    return (
        f"grant usage on schema {schema} to {role};"
        f"grant select, insert, update, delete on all tables in schema {schema} to {role};"
        f"grant usage on all sequences in schema {schema} to {role}"
    )


def log(team: Team) -> str:
    return (team.folder / "log0").read_text()


def workers(team: Team) -> list[int]:
    """Return the workers that live."""
    return [worker["pid"] for worker in team.call("workers", "list") if worker["role"] == "worker"]


def end_connections(postgres: PostgresServer, role: str) -> None:
    postgres.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")


def ends_well(team: Team, supervisor: "subprocess.Popen[bytes]") -> None:
    """Start a run and wait for its success; then end the supervisor in order."""
    team.until(lambda: team.end("run", "order", "number=1", "--detach").returncode == 0)
    team.until(lambda: team.states() == ["succeeded"])
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(TIMEOUT_S) == 0
    assert "psycopg" not in log(team)


def test_unsafe_setting_of_a_running_fleet_is_an_outage(team: Team, postgres: PostgresServer, role: str) -> None:
    """A command refuses the server with exit code 2, nothing is committed; `up` waits, also through the end of its workers' leases."""
    supervisor = team.up()
    team.until(lambda: workers(team))
    before = workers(team)
    postgres.execute(f"alter role {role} set synchronous_commit = off")
    end_connections(postgres, role)
    team.until(lambda: "the store does not accept commits: the server could lose what it acknowledged" in log(team))
    refused = team.end("run", "order", "number=1", "--detach")
    assert refused.returncode == 2, refused
    assert b"synchronous_commit is off" in refused.stderr
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as administrator:
        beats = (
            f"select max(beat_at), count(*) from {team.env['MAINSPRING_STORE_URL'].partition('schema=')[2]}.sessions"
        )
        first = administrator.execute(beats).fetchall()
        team.until(lambda: "the lease of session" in log(team))
        assert administrator.execute(beats).fetchall() == first
    assert supervisor.poll() is None, log(team)
    postgres.execute(f"alter role {role} reset all")
    team.until(lambda: set(workers(team)) - set(before))
    ends_well(team, supervisor)


@pytest.mark.parametrize("on", ["schema {}", "all tables in schema {}"])
def test_revoked_grant_of_a_running_fleet_is_an_outage(
    team: Team, postgres: PostgresServer, role: str, schema: str, on: str
) -> None:
    """The log names the missing right and advises neither a migration nor a backup; `up` works again once it is granted."""
    supervisor = team.up()
    team.until(lambda: workers(team))
    postgres.execute(f"revoke all on {on.format(schema)} from {role}")
    team.until(lambda: "the store does not accept commits: this database role may not do that" in log(team))
    team.until(lambda: "the lease of session" in log(team))
    refused = team.end("runs", "list")
    assert refused.returncode == 4, refused
    assert b"permission denied" in refused.stderr
    assert supervisor.poll() is None, log(team)
    assert "permission denied for " in log(team)
    assert "db migrate" not in log(team)
    assert "is missing" not in log(team)
    postgres.execute(granted(role, schema))
    ends_well(team, supervisor)
