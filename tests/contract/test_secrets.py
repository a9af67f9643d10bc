"""One suite for `ms.secret` in every place where a step can run: the engine's loop, a thread, a child process."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import RunState
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs.log_lines import read_lines
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.runs.logs import parts_of
from mainspring.store.read.secret_uses import list_secret_uses
from tests.acceptance.engine_world import Engine, World
from tests.contract import secret_steps as steps

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

VALUE = "canary-of-the-contract-8412"


@pytest.fixture(params=["loop", "thread", "process"])
def isolate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MAINSPRING_SECRET_STRIPE", VALUE)
    monkeypatch.setenv("MAINSPRING_SECRET_OTHER", "not-for-this-automation")
    return str(request.param)


def opened(tmp_path: Path, isolate: str, **options: Any) -> Any:
    """Open an engine with a workflow of one step, which runs in that place."""
    place: Any = None if isolate == "loop" else isolate

    with Registry() as registry:

        @ms.workflow(**options)
        async def pay(run: ms.Run, name: str, secret: str) -> Any:
            fn: Callable[..., Any] = getattr(steps, f"{name}_async" if isolate == "loop" else name)
            return await run.options(isolate=place, retry=ms.Retry(attempts=1)).step(fn, secret)

    @contextlib.asynccontextmanager
    async def world() -> Any:
        async with World(tmp_path).engine(registry) as engine:
            yield engine, pay

    return world()


def list_operations(engine: Engine, subject: str) -> list[Any]:
    return audit_page(engine.working.store.reader, AuditFilter(subject=subject)).rows


async def test_value_is_revealed_and_its_use_is_recorded(tmp_path: Path, isolate: str) -> None:
    """Once for the attempt, with the automation, the step and the process, and without the value."""
    async with opened(tmp_path, isolate, secrets=["STRIPE"]) as (engine, pay):
        result = await (await engine.start(pay, "reveal", "STRIPE")).result(30)
        assert result == [steps.digest(VALUE), "<secret 'STRIPE'>", True, False]
        (use,) = list_secret_uses(engine.working.store.reader, "STRIPE", 0, 2**60, 10)
        step = "reveal_async" if isolate == "loop" else "reveal"
        assert (use.automation, use.step, use.provider, use.number) == ("pay", step, "env:", 1)
        assert "program" in use.actor or "worker" in use.actor


async def test_secret_outside_of_the_allow_list_is_refused_and_recorded(tmp_path: Path, isolate: str) -> None:
    """The error names the list and the fix; the audit log has one row for the attempt."""
    async with opened(tmp_path, isolate, secrets=["STRIPE"]) as (engine, pay):
        run = await engine.start(pay, "reveal", "OTHER")
        failure = (await engine.until(run, RunState.FAILED)).failure
        assert failure.code == "secret_not_allowed"
        assert "its list of secrets has STRIPE" in failure.message
        assert "add 'OTHER' to the option `secrets`" in (failure.hint or "")
        page = await engine.when(lambda: list_operations(engine, "secret:OTHER"), bool)
        assert [(entry.actor, entry.verb) for entry in page] == [("app:pay", "read")]


async def test_automation_without_a_list_may_read_every_secret(tmp_path: Path, isolate: str) -> None:
    """That is the documented rule; an unknown name is an error with the nearest one."""
    async with opened(tmp_path, isolate) as (engine, pay):
        await (await engine.start(pay, "reveal", "OTHER")).result(30)
        failure = (await engine.until(await engine.start(pay, "reveal", "STRIPED"), RunState.FAILED)).failure
        assert (failure.code, "Did you mean 'STRIPE'?" in (failure.hint or "")) == ("unknown_secret", True)


async def test_value_is_in_no_line_and_no_failure(tmp_path: Path, isolate: str) -> None:
    """Printed, logged and raised by the code of the step."""
    async with opened(tmp_path, isolate) as (engine, pay):
        run = await engine.start(pay, "leak", "STRIPE")
        view = await engine.until(run, RunState.FAILED)
        assert "raised ***" in view.failure.message
        parts = parts_of(engine.working.store.reader, run.id)
        texts = [line.text for line in read_lines(parts, RowUnsealer(PLAIN_SEALING))]
        assert "printed ***" in texts
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert VALUE.encode() not in content


async def test_object_of_a_secret_is_never_saved(tmp_path: Path, isolate: str) -> None:
    """A result with it is refused, with the path inside of it."""
    async with opened(tmp_path, isolate) as (engine, pay):
        run = await engine.start(pay, "save", "STRIPE")
        view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.FAILED)
        assert "Secret cannot be written as JSON" in view.failure.message
