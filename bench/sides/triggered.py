"""The automations that are triggered in measurements; loaded by the worker of `mainspring up`."""

import time
from pathlib import Path

import mainspring as ms


@ms.on.webhook("/hook", verify=ms.verify.hmac("BENCH", header="X-Signature"))
@ms.task
async def take(number: int) -> int:
    """A run for each delivery."""
    return number


@ms.on.webhook("/block", verify=ms.verify.hmac("BENCH", header="X-Signature"))
@ms.task
async def block(number: int) -> int:
    """Hold up the loop of its worker, as code does that forgets to await."""
    time.sleep(60)  # noqa: ASYNC251 - that is what is measured
    return number


@ms.on.event("bench.happened")
@ms.task
async def hear(published_ns: int) -> int:
    """Tell how long after its publication the step began (ns)."""
    return time.time_ns() - published_ns


def make_schedules(count: int, every_s: int) -> None:
    """Declare so many schedules."""
    for number in range(count):

        @ms.on.every(every_s, offset=number % every_s)
        @ms.task(name=f"slot{number}")
        async def at_slot() -> int:
            return 0


if Path("schedules").exists():
    make_schedules(*map(int, Path("schedules").read_text(encoding="ascii").split()))
