"""Middleware and steps for each place where a step can run; a child process imports them from here."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any

import mainspring as ms

TENANT: ContextVar[str] = ContextVar("tenant", default="none")
TRACE: ContextVar[list[str] | None] = ContextVar("trace", default=None)


class Outer:
    """Notes when it is entered and left, and gives the step its tenant."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        TENANT.set(step.headers.get("tenant", "none"))
        trace: list[str] = []
        TRACE.set(trace)
        trace.append(f"outer {step.automation} {step.name} {step.attempt} {step.key} {step.args} {dict(step.kwargs)}")
        result = await proceed()
        return {"result": result, "trace": [*trace, "left"]}


class Inner:
    """Notes that it is called within the outer one."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        trace = TRACE.get()
        assert trace is not None
        trace.append("inner")
        await asyncio.sleep(0)
        return await proceed()


class Awaits:
    """Awaits something of its own before and after the step."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        await asyncio.sleep(0.001)
        result = await proceed()
        await asyncio.sleep(0.001)
        return result


class Translates:
    """Turns one error of a step into another, and one into a result."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        try:
            return await proceed()
        except KeyError as error:
            raise ms.Permanent(f"translated {error}") from error
        except ZeroDivisionError:
            return "recovered"


class Limits:
    """Gives a step a moment, and returns something else after it."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        try:
            async with asyncio.timeout(0.05):
                return await proceed()
        except TimeoutError:
            return "fallback"


class WaitsFor:
    """Gives a step a moment, and fails after it."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        return await asyncio.wait_for(proceed(), 0.05)


class Detaches:
    """Returns before the step has ended."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        self.task = asyncio.create_task(proceed())
        await asyncio.sleep(0.01)


async def sleeps(path: str) -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        with open(path, "a") as file:
            file.write("cancelled")
        raise
    return "slept"


class Skips:
    """Returns a result without the step."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        return f"instead of {step.name}"


class Repeats:
    """Calls the step twice, as a naive retry would."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        await proceed()
        with contextlib.suppress(Exception):
            await proceed()
        return "both"


class Forgets:
    """Forgets the result."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        await proceed()


class DoesNotAwait:
    """Returns the call itself."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        return proceed()


class Swallows:
    """Swallows every end of the step."""

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        with contextlib.suppress(BaseException):
            await proceed()
        return "swallowed"


CALLS: list[str] = []


def report_context(*words: str, tag: str = "") -> Any:
    """Return what the code of a step sees."""
    trace = TRACE.get()
    return [TENANT.get(), dict(ms.headers()), *(trace or []), list(words), tag, ms.attempt()]


def counts() -> int:
    CALLS.append("")
    return len(CALLS)


def runs_a_loop() -> str:
    """Run a loop of its own, as a plain function may."""

    async def inner() -> str:
        await asyncio.sleep(0)
        return asyncio.current_task().get_name()  # type: ignore[union-attr]

    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return "a loop runs already"
    return asyncio.run(asyncio.wait_for(inner(), 5))


def raises(kind: str) -> str:
    raise {"key": KeyError("x"), "zero": ZeroDivisionError(), "exit": SystemExit(3)}[kind]


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


def sends() -> list[str]:
    """Send a message and an event."""
    return [ms.send("shop/orders", 1, headers={"own": "x"}), ms.publish("paid", 2)]


def reads_baggage() -> dict[str, Any]:
    """Return the baggage of OpenTelemetry that the code of a step sees."""
    from opentelemetry import baggage

    return dict(baggage.get_all())
