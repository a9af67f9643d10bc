"""A worker that is drained or killed within a transactional step: the effect is there once, and no try is used up."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from tests.acceptance.one_project import Project
from tests.postgres_server import PostgresServer

AUTOMATIONS = """
import os, time
from pathlib import Path
import mainspring as ms

FOLDER = Path(os.environ["EFFECTS"]).parent
ONCE = ms.Retry(attempts=1)
LONG = {
    "file": "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000000000) select count(*) from n",
    "server": "select pg_sleep(600)",
}

def work(tx: ms.Tx, name: str, place: str, within: str) -> str:
    began = FOLDER / f"began-{name}-{within}"
    is_again = began.exists()
    tx.execute(f"insert into payments (payment) values ('{name}-{within}')")
    began.touch()
    if within == "statement" and not is_again:
        tx.execute(LONG[place])
    if within == "python" and not is_again:
        time.sleep(600)
    return within

@ms.step(delivery="transactional", retry=ONCE)
def pay(tx: ms.Tx, place: str, within: str) -> str:
    return work(tx, "workflow", place, within)

@ms.workflow
async def workflow(run: ms.Run, place: str, within: str) -> str:
    return await run.step(pay, place, within)

@ms.task(delivery="transactional", retry=ONCE)
def task(tx: ms.Tx, place: str, within: str) -> str:
    return work(tx, "task", place, within)
"""
PAYMENTS = {
    "file": ["task-statement"],  # one writer at a time
    "server": ["task-python", "task-statement", "workflow-python", "workflow-statement"],
}


@pytest.fixture
def user(place: str, tmp_path: Path, postgres: PostgresServer) -> tuple[str, Callable[[str], Any]]:
    """The address of the user's database, and what runs a statement there."""
    if place == "file":
        file = tmp_path / "target.db"

        def execute(text: str) -> Any:
            with contextlib.closing(apsw.Connection(str(file))) as raw:
                return raw.execute(text).fetchall()

        execute("create table payments (payment text not null)")
        return f"sqlite:///{file}", execute
    url = postgres.new_store()
    schema = url.partition("schema=")[2]

    def execute_there(text: str) -> Any:
        with psycopg.connect(postgres.url("postgres"), options=f"-csearch_path={schema}") as raw:
            cursor = raw.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    execute_there(f"create schema {schema}")
    execute_there("create table payments (payment text not null)")
    return url, execute_there


@pytest.fixture
def project(tmp_path: Path, user: tuple[str, Callable[[str], Any]]) -> Iterator[Project]:
    more = f'[worker]\ndrain = "100ms"\n[databases]\ndefault = "{user[0]}"\n'
    made = Project(tmp_path, AUTOMATIONS, more)
    yield made
    made.kill_all()


@pytest.mark.parametrize(("place", "method"), [("file", "drained"), ("server", "drained"), ("server", "killed")])
def test_stopped_attempt_uses_up_no_try(
    project: Project, user: tuple[str, Callable[[str], Any]], place: str, method: str
) -> None:
    """With one attempt in all each step is done and its effect there once, whatever its thread or the database was busy with."""
    up = project.up("up", "--role", "worker")
    payments = PAYMENTS[place]
    for payment in payments:
        name, _, within = payment.partition("-")
        project.start(name, f"place={place}", f"within={within}")
    project.until(lambda: all((project.folder / f"began-{payment}").exists() for payment in payments))
    if method == "drained":
        up.send_signal(signal.SIGTERM)
        assert up.wait(30) == 0
    else:
        project.kill_all()
    project.up("up", "--role", "worker")
    project.until(lambda: not {"queued", "running", "retrying", "waiting"} & set(project.states().values()))
    assert list(project.states().values()) == ["succeeded"] * len(payments)
    assert sorted(row[0] for row in user[1]("select payment from payments")) == payments
    project.stop()
