"""Each action has a form for event loops, which never block, and a cancel leaves no work behind."""

import asyncio
import inspect
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import mainspring as ms
from mainspring.actions import backup, files, git, s3, shell, sql, wait
from mainspring.actions.base.action_catalog import find_action, list_actions
from mainspring.domain.errors import DefinitionError
from mainspring.domain.failures.saved_error import RunFailed
from tests.polling import polls
from tests.unit.actions import async_steps

WITHOUT_WORK = {"email.render", "slack.escape"}
SHORT_FORMS = {f"http.{method}" for method in ("get", "post", "put", "delete")}
"""Their async form is http.request_async."""
UPCOMING: dict[str, Any] = {"every": "10ms", "within": "60s"}

BLOCKING: list[Callable[[], object]] = [
    lambda: files.write("a", "x"),
    lambda: files.copy("a", "b"),
    lambda: files.checksum("a"),
    lambda: files.move("a", "b"),
    lambda: files.rename("a", "b"),
    lambda: files.ensure_folder("a"),
    lambda: files.remove("a"),
    lambda: files.archive("a", "b.zip"),
    lambda: files.extract("b.zip", "c"),
    lambda: files.prune("a", keep=1),
    lambda: sql.query("sqlite:///a.db", "select 1"),
    lambda: sql.insert_once("sqlite:///a.db", "t", {"id": 1}, key="id"),
    lambda: sql.upsert("sqlite:///a.db", "t", {"id": 1}, key="id"),
    lambda: sql.update_where("sqlite:///a.db", "t", {"a": 1}, where={"id": 1}),
    lambda: sql.bulk_load("sqlite:///a.db", "t", [{"id": 1}], key="id"),
    lambda: backup.prune("a"),
    lambda: backup.sqlite("a.db", to="b.db"),
    lambda: shell.run(["true"]),
    lambda: wait.until(lambda: True),
    lambda: git.push("a", "Message"),
    lambda: s3.put("s3://example/a", "text"),
]


@pytest.mark.parametrize("call", BLOCKING)
def test_action_in_an_event_loop_names_its_async_form(
    call: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would block all that runs in the loop; nothing is done."""

    async def use() -> None:
        call()

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError, match=r"would block the event loop\nWrite: await \w+\.\w+_async\(\.\.\.\)"):
        asyncio.run(use())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [entry.name for entry in list_actions()])
def test_action_has_an_async_form_with_its_arguments(name: str) -> None:
    """Its result is awaited; a worker finds it by its name."""
    if name in WITHOUT_WORK | SHORT_FORMS:
        return
    family, _, function = name.partition(".")
    module = __import__(f"mainspring.actions.{family}", fromlist=[function])
    twin = getattr(module, f"{function}_async")
    assert inspect.iscoroutinefunction(twin) or name == "http.paginate"
    plain, other = find_action(name), find_action(f"{name}_async")
    assert (other.arguments, plain.async_form) == (plain.arguments, other.name)
    assert getattr(__import__(twin.__module__, fromlist=["x"]), twin.__qualname__) is twin


def test_loop_runs_while_an_action_waits() -> None:
    """More of them than the loop has threads."""

    async def use() -> list[bool]:
        is_set = threading.Event()
        waits = [asyncio.create_task(wait.until_async(is_set.is_set, **UPCOMING)) for _ in range(50)]
        asyncio.get_running_loop().call_soon(is_set.set)
        await asyncio.to_thread(is_set.wait)
        return await asyncio.gather(*waits)

    assert asyncio.run(use()) == [True] * 50


def test_error_of_the_action_is_that_of_the_await() -> None:
    """With its own type."""
    with pytest.raises(files.FileActionError, match="No such file"):
        asyncio.run(files.checksum_async("/none/a"))


def test_cancel_ends_the_command_before_the_await_ends(tmp_path: Path) -> None:
    """Also outside of steps."""
    path = tmp_path / "pid"

    async def use() -> None:
        task = asyncio.create_task(shell.run_async(["sh", "-c", f"echo $$ > {path}; exec sleep 600"]))
        await wait.file_async(path, min_size=2, **UPCOMING)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(use())
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_cancel_stops_only_its_own_wait() -> None:
    """Another one in the same loop waits to its end."""
    has_started, is_set = threading.Event(), threading.Event()

    def begin() -> bool:
        has_started.set()
        return False

    async def use() -> bool:
        other = asyncio.create_task(wait.until_async(is_set.is_set, **UPCOMING))
        task = asyncio.create_task(wait.until_async(begin, **UPCOMING))
        await asyncio.to_thread(has_started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        is_set.set()
        return await other

    assert asyncio.run(use())
    assert any("wait.until_async" not in {thread.name for thread in threading.enumerate()} for _ in polls(20))


def test_async_forms_run_in_steps_and_as_steps(tmp_path: Path) -> None:
    """Progress, checkpoints and the ledger are those of the step."""
    database = apsw.Connection(str(tmp_path / "shop.db"))
    database.execute("create table items (id integer primary key)")
    database.close()

    @ms.workflow
    async def import_all(run: ms.Run, shop: str, folder: str) -> tuple[int, str]:
        await run.step(files.write_async, f"{folder}/b.txt", "step")
        await run.step(async_steps.load, shop, folder)
        return await run.step(async_steps.load, shop, folder)

    result = ms.App(tmp_path / "store.db").run(import_all, f"sqlite:///{tmp_path}/shop.db", str(tmp_path))
    assert tuple(result) == (2, "done\n")
    assert [(tmp_path / name).read_text() for name in ("a.txt", "b.txt", "log")] == ["text", "step", "x\n"]


def test_async_form_in_the_body_of_a_workflow_is_an_error(tmp_path: Path) -> None:
    """No journal would record it."""

    @ms.workflow
    async def write_in_the_body(run: ms.Run, folder: str) -> None:
        await files.write_async(f"{folder}/c.txt", "body")

    with pytest.raises(RunFailed, match=r"files\.write_async"):
        ms.App(tmp_path / "store.db").run(write_in_the_body, str(tmp_path))
    assert not (tmp_path / "c.txt").exists()
