"""Examples of the reference: middleware, and the headers of runs."""

from contextvars import ContextVar
from typing import Any

import pytest

import mainspring as ms
from tests.reference.documented import documents

tenant: ContextVar[str] = ContextVar("tenant", default="none")


@pytest.mark.asyncio
@documents("middleware", "StepInvocation")
async def test_middleware(app):
    """Give each step the tenant of its run: the code of the step reads the variable."""

    @ms.middleware
    class Tenant:
        async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
            tenant.set(step.headers["tenant"])
            return await proceed()

    @ms.task
    def load(table: str) -> str:
        return f"{table} of {tenant.get()}"

    async with app.running():
        handle = await app.options(headers={"tenant": "acme"}).start(load, "orders")
        assert await handle.result() == "orders of acme"


@pytest.mark.asyncio
@documents("App.middleware")
async def test_app_middleware(app):
    """Report the errors of all steps of one app to another system, and raise them again."""
    reported = []

    @app.middleware
    class ErrorReports:
        async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
            try:
                return await proceed()
            except Exception as error:
                reported.append(f"{step.automation}, attempt {step.attempt}: {error}")
                raise

    @ms.task
    async def charge(order: int) -> None:
        raise ms.Permanent("no card")

    async with app.running():
        handle = await app.start(charge, 7)
        with pytest.raises(ms.RunFailed):
            await handle.result()
    assert reported == ["charge, attempt 1: no card"]


@documents("RunInvocation", "RunInvocation.now", "RunInvocation.is_replaying")
def test_run_invocation(app):
    """Note how long runs take. The code around a run is called again at each replay, and only reads."""
    lines = []

    @ms.middleware
    class Durations:
        async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
            started_at = run.now()
            result = await proceed()
            if not run.is_replaying:
                lines.append((run.automation, run.now() >= started_at))
            return result

    @ms.workflow
    async def report(run: ms.Run) -> int:
        return 7

    assert app.run(report) == 7
    assert lines == [("report", True)]


@pytest.mark.asyncio
@documents("headers", "Run.headers")
async def test_headers(app):
    """Read what the caller of the start stated. Names are in lower case."""

    @ms.step
    def load() -> str:
        return ms.headers()["tenant"]

    @ms.workflow
    async def report(run: ms.Run) -> list[str]:
        return [run.headers["tenant"], await run.step(load)]

    async with app.running():
        handle = await app.options(headers={"Tenant": "acme"}).start(report)
        assert await handle.result() == ["acme", "acme"]
