"""Transactional steps on a server of the user: exactly once, whichever process is killed wherever."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psycopg
import pytest

import mainspring as ms
from tests.acceptance.one_project import Project
from tests.postgres_server import PostgresServer

AUTOMATIONS = """
import mainspring as ms

@ms.step(delivery="transactional")
def pay(tx: ms.Tx, invoice: int) -> int:
    tx.execute("insert into payments (invoice) values (%s)", (invoice,))
    return tx.execute("select count(*) from payments where invoice = %(invoice)s", {"invoice": invoice})[0][0]

@ms.workflow
async def settle(run: ms.Run, invoice: int) -> int:
    return await run.step(pay, invoice)
"""
ONCE = """
import os, sys
import mainspring as ms
import mainspring.app.application, mainspring.store.postgres.effect_database, mainspring.store.postgres.store
from mainspring.store import failpoints
from work import settle

for number, kill in enumerate(sys.argv[2:]):
    if (pid := os.fork()) == 0:
        failpoints.install(failpoints.parse(kill))
        ms.App(os.environ["MAINSPRING_STORE_URL"], databases={"default": sys.argv[1]}).run(settle, number)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""One process for each kill, forked from one that has loaded the program."""
KILLS = (
    "effect_commit.before:kill@1",
    "effect_commit.after:kill@1",
    *(f"commit.{side}:kill@{n}" for n in range(4, 10) for side in ("before", "after")),
)


@pytest.fixture
def payments(postgres: PostgresServer) -> str:
    """The address of a user's schema with a table of payments, without a key that would refuse a double."""
    url = postgres.new_store()
    schema = url.partition("schema=")[2]
    with psycopg.connect(postgres.url("postgres")) as raw:
        raw.execute(f"create schema {schema}")
        raw.execute(f"create table {schema}.payments (invoice int not null)")
    return url


def paid(postgres: PostgresServer, url: str) -> list[int]:
    with psycopg.connect(postgres.url("postgres")) as raw:
        found = raw.execute(f"select invoice from {url.partition('schema=')[2]}.payments order by 1").fetchall()
    return [row[0] for row in found]


@pytest.fixture
def project(tmp_path: Path, payments: str) -> Iterator[Project]:
    made = Project(tmp_path, AUTOMATIONS, f'[databases]\ndefault = "{payments}"\n')
    yield made
    made.kill_all()


@pytest.mark.slow
@pytest.mark.parametrize("store", ["file", "server"])
def test_effect_is_there_once_after_a_kill_at_each_commit(
    project: Project, postgres: PostgresServer, payments: str, store: str
) -> None:
    """Killed before and after the effect's commit and the engine's own, each run ends and each payment is there once."""
    if store == "server":
        project.store = postgres.new_store()
    project.call("db", "migrate", "--create")
    (project.folder / "once.py").write_text(ONCE)
    words = [sys.executable, "once.py", payments, *KILLS]
    done = subprocess.run(words, cwd=project.folder, env=project.env(), check=False, capture_output=True, text=True)
    ends = [int(line) for line in done.stdout.split()]
    assert len(ends) == len(KILLS), done.stderr
    assert set(ends) <= {0, -signal.SIGKILL}, done.stderr
    assert ends[:2] == [-signal.SIGKILL] * 2
    project.up("up", "--role", "worker")
    project.until(lambda: set(project.states().values()) == {"succeeded"})
    numbers = sorted(project.json("runs", "show", run)["input"]["invoice"] for run in project.states())
    assert numbers[:2] == [0, 1]
    assert len(numbers) >= 4  # of the first others the process was killed before the run was started
    assert paid(postgres, payments) == numbers
    project.stop()


@ms.step(delivery="transactional")
def put(tx: Annotated[ms.Tx, "numbers"], number: int) -> int:
    if number == 3:
        raise ms.Permanent("three is refused")
    tx.executemany("insert into payments values (%s)", [(number,), (number + 100,)])
    return number * 2


@ms.workflow(name="put-numbers-on-a-server")
async def put_numbers(run: ms.Run) -> list[int | None]:
    done = await run.map(put, range(6), concurrency=3, on_error="collect")
    return [value if isinstance(value, int) else None for value in done]


def test_map_of_transactional_steps_on_a_server(tmp_path: Path, postgres: PostgresServer, payments: str) -> None:
    """Several write at once, each in a transaction of its own; one that fails rolls back alone."""
    app = ms.App(tmp_path / "store.db", databases={"numbers": payments})

    async def work() -> list[int | None]:
        async with app.running():
            result: list[int | None] = await (await app.start(put_numbers)).result(30)
            return result

    assert asyncio.run(work()) == [0, 2, 4, None, 8, 10]
    assert paid(postgres, payments) == sorted(
        [*(n for n in range(6) if n != 3), *(n + 100 for n in range(6) if n != 3)]
    )
