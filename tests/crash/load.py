"""Automations of the tests with a real supervisor: much that is harmless, and one that takes its worker down."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path

import mainspring as ms
from tests.crash.effects import effect


def work(name: str) -> str:
    """An effect and 10 ms of work."""
    effect(name)
    time.sleep(0.01)
    return name


def deadly(method: str) -> str:
    """Takes its process with it, whatever it is."""
    effect("deadly", kind="raw")
    if method.startswith("exit"):
        os._exit(int(method.removeprefix("exit")))
    if method == "tree":
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    if method == "sigterm":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    return str(ctypes.string_at(0))


@ms.workflow
async def steady(run: ms.Run, n: int) -> str:
    """Steps in threads, each tenth time one in a child process, and a short sleep."""
    await run.step(work, f"{n} a")
    if n % 10 == 0:
        await run.options(isolate="process").step(work, f"{n} child")
    await asyncio.sleep(0.01)
    return await run.step(work, f"{n} b")


@ms.workflow
async def poison(run: ms.Run, method: str) -> str:
    """A run that no worker survives."""
    await run.step(work, "before the deadly step")
    return await run.step(deadly, method)


@ms.workflow(queue="one")
async def lengthy(run: ms.Run, n: int) -> str:
    """A step that lasts as long as the world keeps it."""
    return await run.step(work, f"lengthy {n}")


ms.script("offspring", ["sh", str(Path(__file__).with_name("with_children.sh"))])
