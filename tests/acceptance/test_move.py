"""A store that moves from a file to a server and back, with real processes that are killed."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.one_project import Project
from tests.postgres_server import PostgresServer

KILLS = ("marked", "begun", "batch", "batch@6", "batch@5", "copied", "compared", "released")

AUTOMATIONS = """
import asyncio, os
import mainspring as ms

@ms.workflow(partition="{customer}", cron="0 3 1 1 *")
async def order(run: ms.Run, customer: str = "nobody") -> str:
    await run.step(note, f"charge {customer}")
    word = await run.receive("go", str)
    await run.step(note, f"send {customer}")
    return word

@ms.workflow
async def nap(run: ms.Run, seconds: float) -> float:
    await run.step(note, f"before {seconds}")
    await asyncio.sleep(seconds)
    await run.step(note, f"after {seconds}")
    return seconds

@ms.workflow
async def question(run: ms.Run) -> str:
    return await run.ask("Really?", choices=["yes", "no"], within="1h", otherwise="no")

async def note(text: str) -> int:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{ms.idempotency_key()} {text}\\n")
    return len(text)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, AUTOMATIONS)
    yield made
    made.kill_all()


def _work_and_die(project: Project) -> list[str]:
    """Have runs that wait for everything there is, and a worker that was killed while it held some."""
    project.call("db", "migrate", "--create")
    project.up()
    runs = [project.start("order", f"customer={name}") for name in ("ann", "bob", "ann")]
    runs += [project.start("nap", "seconds=1"), project.start("nap", "seconds=5"), project.start("question")]
    project.until(lambda: list(project.states().values()).count("waiting") >= 4)
    project.until(lambda: "after 1.0" in project.effects.read_text())
    project.call("auto", "pause", "question", "--reason", "a pause that stays")
    project.kill_all()
    return runs


@pytest.mark.slow
def test_store_that_is_killed_on_its_way_arrives_whole(project: Project, postgres: PostgresServer) -> None:
    """After kill -9 at each stage the same command continues, no one can use either place meanwhile, and every waiting run ends there."""
    runs = _work_and_die(project)
    old, url = project.store, postgres.new_store()
    before = project.states()
    for place in KILLS:
        name, _, number = place.partition("@")
        order = f"move.{name}:kill@{number or 1}"
        project.call("db", "move", "--to", url, code=-signal.SIGKILL, MAINSPRING_FAILPOINT=order)
        output = project.call("up", code=2).stderr
        assert "is being moved" in output
        assert "--undo" in output
        if name not in ("marked", "released"):
            assert "not complete yet" in project.call("up", code=2, MAINSPRING_STORE_URL=url).stderr
            assert "not complete yet" in project.call("runs", "list", code=2, MAINSPRING_STORE_URL=url).stderr
    moved = json.loads(project.call("db", "move", "--to", url, "--json").stdout)
    assert moved["source"] == old
    assert "the store was moved" in project.call("up", code=2).stderr
    assert "the store was moved" in project.call("run", "question", "--detach", code=2).stderr

    project.store = url
    assert project.states().keys() == before.keys()
    assert project.call("audit-log", "verify")
    assert [a["name"] for a in project.json("auto", "list") if a["state"] == "paused"] == ["question"]
    project.call("auto", "resume", "question")
    project.up()
    ann, bob, second, _, _, ask = runs
    for run in (ann, bob, second):
        project.call("runs", "signal", run, "go", '"well"')
    project.until(lambda: project.states()[ask] == "waiting")
    project.call("runs", "answer", ask, "yes")
    project.until(lambda: set(project.states().values()) == {"succeeded"})
    lines = project.effects.read_text().splitlines()
    texts = ["charge ann", "send ann", "charge bob", "send bob", "charge ann", "send ann"]
    texts += [f"{verb} {seconds}" for verb in ("before", "after") for seconds in (1.0, 5.0)]
    assert sorted(line.split(" ", 1)[1] for line in lines) == sorted(texts)
    assert len(set(lines)) == len(lines)
    project.start("nap", "seconds=0")  # ids continue
    project.until(lambda: set(project.states().values()) == {"succeeded"})
    assert len(project.states()) == len(runs) + 1
    project.stop()
    assert project.call("audit-log", "verify")


def test_store_in_use_is_not_moved_and_a_moved_one_can_be_used_again(
    project: Project, postgres: PostgresServer
) -> None:
    """Live processes are named; a place that is not empty is refused; --undo opens the old store again; the way back works alike."""
    url = postgres.new_store()
    project.call("db", "migrate", "--create")
    project.up()
    run = project.start("question")
    project.until(lambda: project.states()[run] == "waiting")
    output = project.call("db", "move", "--to", url, code=8).stderr
    assert "supervisor runs on this store" in output
    project.kill_all()
    project.call("db", "move", "--to", str(project.folder / "mainspring.toml"), code=2)
    project.call("db", "move", "--to", url)
    project.call("db", "move", "--undo", "-y")
    assert project.states() == {run: "waiting"}
    assert "not empty" in project.call("db", "move", "--to", url, code=8).stderr

    project.call("db", "move", "--to", str(project.folder / "back.db"), MAINSPRING_STORE_URL=url)
    project.store = str(project.folder / "back.db")
    project.call("db", "check")
    assert "the store was moved" in project.call("runs", "list", code=2, MAINSPRING_STORE_URL=url).stderr
    project.up()
    project.until(lambda: project.states()[run] == "waiting")
    project.call("runs", "answer", run, "no")
    project.until(lambda: project.states()[run] == "succeeded")
    project.stop()


def test_server_in_use_is_not_moved_and_its_password_is_not_displayed(
    project: Project, postgres: PostgresServer
) -> None:
    """Live sessions of any machine are named with role and process; neither output nor error holds the password."""
    url = postgres.new_store().replace("mainspring@", "mainspring:s3cret-word@")
    project.call("db", "migrate", "--create")
    done = project.call("db", "move", "--to", url)
    assert "s3cret-word" not in done.stdout + done.stderr
    old, project.store = project.store, url
    refused = project.call("status", code=2, MAINSPRING_STORE_URL=old)
    assert "s3cret-word" not in refused.stdout + refused.stderr
    project.up("run", "question")  # no supervisor, whose lock would be in the way first
    project.until(lambda: "waiting" in project.states().values())
    output = project.call("db", "move", "--to", str(project.folder / "new.db"), code=8)
    assert "process(es) still use the store: run" in output.stderr
    assert "s3cret-word" not in output.stderr
