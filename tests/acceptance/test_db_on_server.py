"""`db check`, `backup`, `restore`, `prune` and `shell` on a server: what a file's store has, with real processes."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mainspring.store.postgres.migrate import created_names
from tests.acceptance.one_project import ROOT, Project
from tests.postgres_server import PostgresServer

AUTOMATIONS = """
import mainspring as ms

@ms.workflow(partition="{customer}")
async def order(run: ms.Run, customer: str = "nobody") -> str:
    await run.step(note, f"charge {customer}")
    return await run.receive("go", str)

async def note(text: str) -> int:
    return len(text)
"""


@pytest.fixture
def project(tmp_path: Path, postgres: PostgresServer) -> Iterator[Project]:
    made = Project(tmp_path, AUTOMATIONS, f'[store.backup]\nto = "{tmp_path / "backups"}"\nkeep = 5\n')
    made.store = postgres.new_store()
    made.call("db", "migrate", "--create")
    yield made
    made.kill_all()


def schema_of(project: Project) -> str:
    return project.store.partition("schema=")[2]


@pytest.mark.slow
def test_backup_is_made_next_to_work_and_put_back_held(project: Project, postgres: PostgresServer) -> None:
    """A copy of a store in use is a checked file; put back it is held until each run is decided, and the old schema is kept."""
    project.up()
    run = project.start("order", "customer=ann")
    project.until(lambda: project.states()[run] == "waiting")
    assert project.call("db", "check")
    made = project.json("db", "backup")
    assert made["rows"]["runs"] >= 1
    project.start("mainspring-backup")  # as its schedule starts it
    project.until(lambda: len(list((project.folder / "backups").glob("*.db"))) == 2)
    assert "supervisor" in project.call("db", "restore", made["path"], "-y", code=8).stderr
    project.call("runs", "signal", run, "go", '"lost"')
    project.until(lambda: project.states()[run] == "succeeded")
    project.stop()

    with psycopg.connect(postgres.url("postgres"), autocommit=True) as raw:
        raw.execute(f"create schema {schema_of(project)}_restoring")  # as one that was killed left it
    done = project.json("db", "restore", made["path"], "-y")
    assert done["unfinished"] >= 1
    assert "_before_" in done["kept"]
    assert project.states()[run] == "waiting"
    project.call("db", "restore", "--release", code=8)
    project.call("db", "restore", "--decide", "continue", "-y")
    project.call("db", "restore", "--release")
    assert project.call("db", "check")
    project.up()
    project.call("runs", "signal", run, "go", '"found"')
    project.until(lambda: project.states()[run] == "succeeded")
    project.stop()
    # The newest of a folder, for a store in a file as well.
    project.store = str(project.folder / "file.db")
    project.call("db", "restore", made["path"], "-y")
    assert project.states()[run] == "waiting"


LOST_INTERVAL = """
import os
import mainspring as ms

@ms.on.files("in", settle="200ms", every="200ms")
@ms.task
def load(file: ms.File) -> None:
    effect("load " + file.name)

@ms.task(every="1s", delivery="at_most_once")
def charge() -> None:
    effect("charge")

def effect(text: str) -> None:
    with open(os.environ["EFFECTS"], "a") as out:
        out.write(text + "\\n")
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_restored_server_repeats_nothing_of_the_lost_interval(tmp_path: Path, postgres: PostgresServer) -> None:
    """Files and due times of it are listed and start nothing, before and after the release; a file of later counts; a person catches up."""
    project = Project(tmp_path, LOST_INTERVAL)
    project.store = postgres.new_store()
    project.call("db", "migrate", "--create")
    folder = tmp_path / "in"
    folder.mkdir()

    def effects(text: str) -> int:
        return project.effects.read_text().splitlines().count(text)

    try:
        up = project.up()
        (folder / "known.csv").write_text("1")
        project.until(lambda: effects("load known.csv"))
        made = project.json("db", "backup", str(tmp_path / "kept"))
        (folder / "lost.csv").write_text("2")
        project.until(lambda: effects("load lost.csv"))
        charged = effects("charge")
        project.until(lambda: effects("charge") > charged + 1)
        project.call("auto", "pause", "load")
        project.stop()
        assert up.returncode == 0

        project.call("db", "restore", made["path"], "-y")
        charged = effects("charge")
        project.up()
        project.until(lambda: project.json("db", "restore", "--lost")["deliveries"])
        project.call("db", "restore", "--decide", "done", "-y")
        assert effects("charge") == charged, "a held store starts nothing"
        released = project.call("db", "restore", "--release").stdout
        assert "Not started, because the replaced store may have done it:" in released
        lost = project.json("db", "restore", "--lost")
        assert lost["by_name_only"] == ["charge"]
        assert [change["verb"] for change in lost["changes"]] == ["pause"]
        assert [delivery["trigger"] for delivery in lost["deliveries"]] == ["load/files"]
        slots = {slot["slot_at"] for slot in lost["slots"] if slot["automation"] == "charge"}
        assert slots

        (folder / "new.csv").write_text("3")
        project.until(lambda: effects("load new.csv"))
        project.until(lambda: effects("charge") > charged)
        assert (effects("load known.csv"), effects("load lost.csv")) == (1, 1)
        still = project.json("db", "restore", "--lost")["slots"]
        assert {slot["slot_at"] for slot in still if slot["automation"] == "charge"} == slots, "a slot of it has a run"
        caught = project.call("db", "restore", "--catch-up", "-y").stdout
        assert "Left out, because a step must not run twice: charge" in caught
        project.until(lambda: effects("load lost.csv") == 2)
        assert effects("load known.csv") == 1
    finally:
        project.stop()
        project.kill_all()


def test_check_reports_what_is_wrong_on_a_server(project: Project, postgres: PostgresServer) -> None:
    """An index that is gone, a run that is marked wrongly, and a row of the audit log that was changed."""
    project.start("order")
    schema = schema_of(project)
    assert len(created_names("index")) > 20
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as raw:
        raw.execute(f"set search_path to {schema}")
        raw.execute("drop index runs_due")
        raw.execute("update runs set finished_at = 5")
        raw.execute("alter table audit_log disable trigger all")
        raw.execute("update audit_log set actor = 'nobody' where seq = 1")
    output = project.call("db", "check", code=9).stdout
    for words in (
        "an index is missing",
        "runs_due",
        "a run is ended without an instant",
        "the audit log was changed",
        "row 1",
    ):
        assert words in output


def test_shell_gets_address_and_password_by_the_environment(project: Project) -> None:
    """What stands on the command line of psql is no secret, and its transactions may only read."""
    bin_ = project.folder / "bin"
    bin_.mkdir()
    psql = bin_ / "psql"
    psql.write_text('#!/bin/sh\necho "words: $*"\nenv | grep ^PG\n')
    psql.chmod(psql.stat().st_mode | stat.S_IXUSR)
    url = project.store.replace("mainspring@", "mainspring:s3cret@")
    output = project.call("db", "shell", PATH=f"{bin_}:{os.environ['PATH']}", MAINSPRING_STORE_URL=url).stdout
    assert "words: --no-password\n" in output
    assert "PGPASSWORD=s3cret" in output
    assert f"search_path={schema_of(project)} -c default_transaction_read_only=on" in output
    assert "the program psql is not installed" in project.call("db", "shell", code=3, PATH=str(project.folder)).stderr


def test_worker_of_a_role_that_may_not_change_tables(tmp_path: Path, postgres: PostgresServer) -> None:
    """With exactly the statements of the page, under other names: the owner makes the store, and the other role does all the work."""
    page = (ROOT / "docs" / "how-to" / "postgres.md").read_text()
    texts = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)[0]
    schema = postgres.new_store().partition("schema=")[2]
    texts = texts.replace("mainspring_owner", f"{schema}_owner")
    texts = re.sub(
        r"^--.*$|\bmainspring\b", lambda found: "" if found[0].startswith("--") else schema, texts, flags=re.MULTILINE
    )
    *making, usage, tables, sequences = filter(None, (text.strip() for text in texts.split(";")))
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as administrator:
        for text in making:
            administrator.execute(text.encode())
    address = f"postgresql://ROLE@127.0.0.1:{postgres.port}/postgres"
    project = Project(tmp_path, AUTOMATIONS)
    project.store = f"{address.replace('ROLE', f'{schema}_owner')}?schema={schema}"
    project.call("db", "migrate", "--create")
    with psycopg.connect(address.replace("ROLE", f"{schema}_owner"), autocommit=True) as owner:
        for text in (usage, tables, sequences):
            owner.execute(text.encode())
    project.store = f"{address.replace('ROLE', schema)}?schema={schema}"
    with (
        psycopg.connect(address.replace("ROLE", schema), autocommit=True) as worker,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        worker.execute(f"create table {schema}.more (x int)".encode())
    try:
        project.up()
        run = project.start("order", "customer=ann")
        project.until(lambda: project.states()[run] == "waiting")
        project.call("runs", "signal", run, "go", '"well"')
        project.until(lambda: project.states()[run] == "succeeded")
        project.call("db", "check")
        project.call("db", "prune")
        project.stop()
    finally:
        project.kill_all()
