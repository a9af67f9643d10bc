"""Examples of the reference: programs that start runs, steer them, and read them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mainspring as ms
from tests.reference.documented import documents


@documents("App", "App.run", "App.close")
def test_app_run():
    """Run one automation, blocking: for a script or a crontab line."""

    @ms.task
    def double(n: int) -> int:
        return 2 * n

    app = ms.App("state.db")
    assert app.run(double, 21) == 42
    app.close()


@documents("App.from_config")
def test_app_from_config():
    """Use the store, the files and the settings of the project's `mainspring.toml`."""
    Path("mainspring.toml").write_text('[store]\nurl = "shop.db"\n')

    app = ms.App.from_config()
    assert app.place == Path("shop.db").resolve()


@documents("App.running", "App.start", "Handle", "Handle.result", "Handle.status")
@pytest.mark.asyncio
async def test_app_start(app):
    """Work in this program's loop: start a run, wait for its result."""

    @ms.task
    def double(n: int) -> int:
        return 2 * n

    async with app.running():
        handle = await app.start(double, 21)
        assert await handle.result(timeout=60) == 42
        assert await handle.status() is ms.RunState.SUCCEEDED
        assert handle.created
        assert handle.id.startswith("r")


@documents("App.options", "Starter", "Starter.start")
@pytest.mark.asyncio
async def test_app_options(app):
    """Start with a run key, so that a repeated request gets the first run; later, with other options, too."""

    @ms.task
    def settle(order: int) -> str:
        return f"settled {order}"

    async with app.running():
        first = await app.options(key="order:7", tags={"region": "eu"}, title="order 7").start(settle, 7)
        again = await app.options(key="order:7").start(settle, 7)
        assert (again.id, again.created) == (first.id, False)
        later = await app.options(at=datetime.now(UTC) + timedelta(days=1), priority=5).start(settle, 8)
        assert await later.status() is ms.RunState.QUEUED


@documents("App.start_with_update", "Starter.start_with_update", "Update")
@pytest.mark.asyncio
async def test_app_start_with_update(app):
    """Create the run with its first request: both are one commit."""

    @ms.workflow
    async def cart(run: ms.Run, customer: str) -> list[str]:
        items: list[str] = []

        @run.on_update("add")
        def add(item: str) -> int:
            items.append(item)
            return len(items)

        await run.receive("check out")
        return items

    async with app.running():
        starter = app.options(key="cart:ana", key_policy="one_live")
        handle, count = await starter.start_with_update(ms.Update("add", "tea", type=int), cart, "ana")
        assert count == 1
        same, count = await starter.start_with_update(ms.Update("add", "milk"), cart, "ana")
        assert (same.id, count) == (handle.id, 2)
        await handle.signal("check out")
        assert await handle.result() == ["tea", "milk"]


@documents("App.pause", "App.resume", "App.handle")
@pytest.mark.asyncio
async def test_app_pause(app):
    """Pause a run: nothing of it starts until someone resumes it."""

    @ms.workflow
    async def order(run: ms.Run) -> str:
        return await run.receive("address", str)

    async with app.running():
        handle = app.handle((await app.start(order)).id)
        while await handle.status() is not ms.RunState.WAITING:
            await asyncio.sleep(0.01)
        await app.pause(handle.id, "the warehouse is closed")
        await handle.signal("address", "Main Street 7")
        assert await handle.status() is ms.RunState.PAUSED
        await app.resume(handle.id)
        assert await handle.result() == "Main Street 7"


@documents("App.retry", "App.fork")
@pytest.mark.asyncio
async def test_app_retry(app):
    """Continue a failed run from its failure; start a new run from a step of it, with the results from before that step."""
    stock = {"tea": 0}

    def reserve(item: str) -> str:
        return f"place for {item}"

    def take(item: str) -> int:
        if not stock[item]:
            raise ms.Permanent(f"no {item}")
        return stock[item]

    @ms.workflow
    async def order(run: ms.Run, item: str) -> int:
        await run.step(reserve, item)
        return await run.step(take, item)

    async with app.running():
        handle = await app.start(order, "tea")
        with pytest.raises(ms.RunFailed, match="no tea"):
            await handle.result()
        stock["tea"] = 3
        await app.retry(handle.id, "tea has arrived")
        assert await handle.result() == 3
        stock["tea"] = 2
        fork = await app.fork(handle.id, "take", "what if only two are left")
        assert await fork.result() == 2


@documents("Handle.view", "Handle.steps", "Handle.history", "StepInfo", "RunDetails")
@pytest.mark.asyncio
async def test_handle_steps(app):
    """Read what a run has done."""

    def double(n: int) -> int:
        return 2 * n

    @ms.workflow
    async def compute(run: ms.Run) -> int:
        return await run.step(double, 21)

    async with app.running():
        handle = await app.start(compute)
        await handle.result()
        (step,) = await handle.steps()
        assert (step.name, step.state, step.attempts, step.result) == ("double", "succeeded", 1, 42)
        view = await handle.view()
        assert (view.automation, view.input, view.result) == ("compute", {}, 42)
        assert len((await handle.history()).outcomes) == 1


@documents(
    "App.runs",
    "App.runs.list",
    "App.runs.iterate",
    "App.runs.get",
    "App.runs.by_key",
    "App.runs.count",
    "RunInfo",
)
@pytest.mark.asyncio
async def test_app_runs(app):
    """Search the runs of the store."""

    @ms.task
    def settle(order: int) -> None: ...

    async with app.running():
        handle = await app.options(key="order:7").start(settle, 7)
        await handle.result()
        since = datetime.now(UTC) - timedelta(hours=1)
        (info,) = await app.runs.list(name="settle", state="succeeded", since=since, limit=10)
        assert (info.id, info.automation, info.state) == (handle.id, "settle", ms.RunState.SUCCEEDED)
        assert [run.id async for run in app.runs.iterate(name="settle")] == [handle.id]
        assert await app.runs.get(handle.id) == info
        assert await app.runs.by_key("settle", "order:7") == info
        assert await app.runs.count(state=["failed", "needs_attention"]) == 0


@documents(
    "App.schedules",
    "App.schedules.create",
    "App.schedules.change",
    "App.schedules.pause",
    "App.schedules.resume",
    "App.schedules.delete",
    "App.schedules.get",
    "App.schedules.list",
    "ScheduleInfo",
)
@pytest.mark.asyncio
async def test_app_schedules(app):
    """Create a schedule while workers run, change it, and delete it."""

    @ms.task
    def report(customer: str) -> None: ...

    async with app.running():
        options = {"cron": "0 6 * * MON-FRI", "tz": "Europe/Berlin", "input": {"customer": "acme"}}
        info = await app.schedules.create("report-acme", report, **options, reason="new contract")
        assert (info.version, info.state, info.when) == (1, "active", "Monday to Friday at 06:00 (Europe/Berlin)")
        info = await app.schedules.change("report-acme", every="2h", jitter="5m", expected=info.version)
        assert (info.version, info.when) == (2, "every 2h; jitter 5m")
        await app.schedules.pause("report-acme", "unpaid")
        assert (await app.schedules.get("report-acme")).next_at is None
        await app.schedules.resume("report-acme")
        assert [info.name for info in await app.schedules.list(report)] == ["report-acme"]
        await app.schedules.delete("report-acme", "contract ended")


@documents(
    "App.schedules.create_sync",
    "App.schedules.change_sync",
    "App.schedules.pause_sync",
    "App.schedules.resume_sync",
    "App.schedules.delete_sync",
    "App.schedules.get_sync",
    "App.schedules.list_sync",
)
def test_app_schedules_sync(app):
    """Do the same in a program without an event loop."""

    @ms.task
    def report(customer: str = "all") -> None: ...

    app.run(report)
    created = app.schedules.create_sync("hourly", report, every="1h")
    app.schedules.change_sync("hourly", at="06:00", expected=created.version)
    app.schedules.pause_sync("hourly", "maintenance")
    app.schedules.resume_sync("hourly")
    assert app.schedules.get_sync("hourly").when == "every day at 06:00 (UTC)"
    assert len(app.schedules.list_sync()) == 1
    app.schedules.delete_sync("hourly")


@documents(
    "schedules",
    "schedules.create",
    "schedules.change",
    "schedules.pause",
    "schedules.resume",
    "schedules.delete",
    "schedules.get",
    "schedules.list",
)
def test_schedules(app, project):
    """Create schedules of the project in scripts, tasks and steps."""

    @ms.task
    def report(customer: str) -> None: ...

    @ms.task(isolate="thread")
    def enrol(customer: str) -> None:
        ms.schedules.create(f"report-{customer}", report, every="1h", input={"customer": customer})

    app.run(report, "all")
    app.run(enrol, "acme")
    ms.schedules.change("report-acme", every="2h")
    ms.schedules.pause("report-acme", "unpaid")
    ms.schedules.resume("report-acme")
    assert ms.schedules.get("report-acme").when == "every 2h"
    assert [info.name for info in ms.schedules.list("report")] == ["report-acme"]
    ms.schedules.delete("report-acme")


@documents("RunState")
def test_run_state():
    """The states are text, too."""
    assert ms.RunState.NEEDS_ATTENTION == "needs_attention"
    assert ms.RunState("failed") is ms.RunState.FAILED


@documents(
    "App.start_sync",
    "App.signal_sync",
    "App.publish_sync",
    "App.cancel_sync",
    "App.pause_sync",
    "App.resume_sync",
    "App.retry_sync",
    "App.answer_sync",
    "App.fork_sync",
    "App.start_with_update_sync",
    "Starter.start_sync",
    "Starter.start_with_update_sync",
    "Handle.signal_sync",
    "Handle.update_sync",
    "Handle.query_sync",
    "Handle.result_sync",
    "Handle.status_sync",
)
def test_blocking_calls(app):
    """The same calls for programs without an event loop, such as Flask and Django. Here no worker runs: the runs wait."""

    @ms.workflow
    async def order(run: ms.Run, number: int) -> None: ...

    handle = app.options(key="order:7").start_sync(order, 7)
    handle.signal_sync("address", "Main Street 7")
    app.signal_sync(handle.id, "address", "Main Street 8")
    app.pause_sync(handle.id, "the warehouse is closed")
    app.resume_sync(handle.id)
    assert app.publish_sync("payment.settled", {"order": 7}) == 0  # no run waits for it
    assert handle.status_sync() is ms.RunState.QUEUED
    for call in (
        lambda: handle.result_sync(timeout=0.01),
        lambda: handle.update_sync("add", "tea", timeout=0.01),
        lambda: app.start_with_update_sync(ms.Update("add", "tea"), order, 8, timeout=0.01),
        lambda: app.options(key="order:9").start_with_update_sync(ms.Update("add"), order, 9, timeout=0.01),
    ):
        with pytest.raises(TimeoutError):
            call()
    for refused in (
        lambda: handle.query_sync("total", within="10ms"),
        lambda: app.answer_sync(handle.id, "ship"),
        lambda: app.retry_sync(handle.id),
        lambda: app.fork_sync(handle.id, None),
    ):
        with pytest.raises(ms.MainspringError):
            refused()
    app.cancel_sync(handle.id, "no longer needed")
    assert handle.status_sync() is ms.RunState.CANCELLED
