"""Apps: what they open for acts."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import mainspring as ms
from mainspring.app.project import Project
from mainspring.domain.errors import ArgumentError, ConflictError, MainspringError
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.sqlite.store import SqliteStore


def test_operations_at_the_same_time_share_one_store_that_is_open(tmp_path, monkeypatch):
    """Who comes while the store is being opened waits until it is, and gets the same one."""
    opening, may_go_on, opened = threading.Event(), threading.Event(), []
    real = SqliteStore.open

    def open_slowly(store):
        opening.set()
        assert may_go_on.wait(20)
        real(store)
        opened.append(store)

    monkeypatch.setattr(SqliteStore, "open", open_slowly)
    app = ms.App(tmp_path / "state.db")
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(app.open_store, creates_store=True)
        assert opening.wait(20)
        committers = [pool.submit(lambda: app.open_store(creates_store=True).committer) for _ in range(7)]
        may_go_on.set()
        found = {other.result(60) for other in committers} | {first.result(20).committer}
    assert len(found) == len(opened) == 1
    app.close()


def test_many_operations_wait_at_the_same_time(tmp_path):
    """So the store commits them together. Their threads end with the app, which can be used again."""
    app, barrier = ms.App(tmp_path / "state.db"), threading.Barrier(64)
    before = set(threading.enumerate())

    async def operate(count):
        calls = [
            app.do(lambda engine, act: barrier.wait(20) if count > 1 else 0, creates_store=True) for _ in range(count)
        ]
        return await asyncio.gather(*calls)

    assert sorted(asyncio.run(operate(64))) == list(range(64))
    app.close()
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not [name for name in left if name.startswith("mainspring-call")]
    assert asyncio.run(operate(1)) == [0]
    app.close()


def test_store_that_could_not_be_opened_is_tried_again(tmp_path):
    """An act that failed because the store was away leaves nothing behind that the next one would take for a store."""
    place = tmp_path / "folder" / "state.db"
    place.parent.write_text("in the way")
    app = ms.App(place)
    for _ in range(2):
        with pytest.raises(MainspringError, match="folder"):
            app.open_store(creates_store=True)
    place.parent.unlink()
    place.parent.mkdir()
    assert app.open_store(creates_store=True).committer
    app.close()


async def _runs_in_a_loop(app, work):
    app.run(work)


def test_run_in_a_thread_with_a_loop_names_the_call_to_use(tmp_path, recwarn):
    """A notebook, or a coroutine that calls it: no coroutine is made that no one awaits, and the message has the other form."""
    with Registry() as registry:

        @ms.task
        async def work() -> int:
            return 1

    app = ms.App(tmp_path / "state.db", registry=registry)
    with pytest.raises(ConflictError, match="loop runs in this thread") as refused:
        asyncio.run(_runs_in_a_loop(app, work))
    assert "app.running()" in (refused.value.hint or "")
    assert not recwarn.list
    assert app.run(work) == 1


def test_signal_whose_name_cannot_be_printed_is_refused(tmp_path):
    """Before anything is written, as for the name of an event; also where the run has ended."""
    with Registry() as registry:

        @ms.task
        def work() -> int:
            return 1

    app = ms.App(tmp_path / "state.db", registry=registry)

    async def signal(name):
        run = await app.options(title=" ").start(work)
        await app.signal(run.id, name, 1)

    for name in ("\ud800", "", "a\nb"):
        with pytest.raises(ArgumentError, match="cannot be the name of a signal"):
            asyncio.run(signal(name))
    app.close()


@pytest.mark.parametrize("title", ["", "  "])
def test_blank_title_is_none(tmp_path, title):
    """A run whose title is blank is called by its automation in lists, no matter who gave it: the caller or a template."""
    with Registry() as registry:

        @ms.task(title="{name}")
        def greet(name: str) -> int:
            return len(name)

    app = ms.App(tmp_path / "state.db", registry=registry)

    async def titles():
        runs = [await app.start(greet, title), await app.options(title=title).start(greet, "Ann")]
        return [run_view(app.open_store().reader, run.id).title for run in runs]

    assert asyncio.run(titles()) == [None, "Ann"]
    app.close()


@pytest.mark.parametrize("name", [" ", "", "x" * 501, "a\nb"])
def test_lock_takes_the_names_that_exec_takes(tmp_path, name):
    """One rule: up to 500 characters of one plain line that is not blank."""
    with Registry() as registry:

        @ms.task
        def work(name: str) -> int:
            with ms.lock(name) as lock:
                return lock.token

    app = ms.App(tmp_path / "state.db", registry=registry)
    with pytest.raises(ms.RunFailed, match="not a valid name of a lock"):
        app.run(work, name)
    assert app.run(work, "x" * 500) == 1


def test_configuration_whose_secrets_cannot_be_read_is_named(tmp_path, monkeypatch, caplog):
    """The app works on its own store; without the warning, each secret of the configuration would just be unknown."""
    (tmp_path / "mainspring.toml").write_text("[secrts]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Project, "_newest", None)
    with Registry() as registry:

        @ms.task
        def work() -> int:
            return 1

    assert ms.App(tmp_path / "state.db", registry=registry).run(work) == 1
    (warning,) = [message for message in caplog.messages if message.startswith("only secrets of the environment")]
    assert "unknown setting `secrts`" in warning


SCRIPT = """
import mainspring as ms

@ms.task
def double(number: int) -> int:
    return number * 2

@ms.workflow
async def quadruple(run: ms.Run, number: int) -> int:
    return await run.child(double, await run.child(double, number))

print(ms.App.from_config().run(quadruple, 3))
"""


def test_program_on_the_project_runs_its_own_automations(tmp_path):
    """They are not among those of the configuration: without a worker that knows them, the run would wait for ever."""
    (tmp_path / "mainspring.toml").write_text('[store]\nurl = "store.db"\n[project]\nautomations = ["jobs.py"]\n')
    (tmp_path / "jobs.py").write_text("import mainspring as ms\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAINSPRING_")}
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment | {"PYTHONHASHSEED": "0"}, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "12\n", ended.stderr
