"""Steps that hold a lock: a module of its own, since children find functions by name. A file tells who was inside when."""

import asyncio
import time
from pathlib import Path

import mainspring as ms

NAME = "the printer"


def _note(file: str, text: str) -> None:
    with Path(file).open("a") as notes:
        notes.write(f"{text}\n")


def print_page(file: str) -> int:
    with ms.lock(NAME) as lock:
        _note(file, f"in {lock.token}")
        time.sleep(0.01)
        _note(file, f"out {lock.token}")
        return lock.token


async def print_page_async(file: str) -> int:
    async with ms.lock(NAME) as lock:
        _note(file, f"in {lock.token}")
        await asyncio.sleep(0.01)
        _note(file, f"out {lock.token}")
        return lock.token


def leave(file: str, method: str) -> int:
    """End in some way inside of the lock; one that ends well has forgotten to release."""
    held = ms.lock(NAME).__enter__()
    return _leave(file, method, held.token)


async def leave_async(file: str, method: str) -> int:
    held = await ms.lock(NAME).__aenter__()
    if method == "hangs":
        _note(file, f"in {held.token}")
        await asyncio.sleep(600)
    return _leave(file, method, held.token)


def _leave(file: str, method: str, token: int) -> int:
    _note(file, f"in {token}")
    if method == "raises":
        raise ms.Permanent("out of paper")
    if method == "hangs":
        time.sleep(600)
    return token


def give_up() -> None:
    with ms.lock(NAME, within="0s"):
        pass


async def give_up_async() -> None:
    async with ms.lock(NAME, within="0s"):
        pass


def take_twice() -> None:
    with ms.lock(NAME), ms.lock("another"), ms.lock(NAME):
        pass


async def take_twice_async() -> None:
    async with ms.lock(NAME), ms.lock("another"), ms.lock(NAME):
        pass


async def block_the_loop() -> None:
    with ms.lock(NAME):
        pass


async def stop_waiting() -> str:
    try:
        async with asyncio.timeout(0.05), ms.lock(NAME):
            return "never"
    except TimeoutError:
        return "gave up"


def forget_backend_lock(name: str) -> int:
    return ms.lock(name, "20s", backend="shared").__enter__().token
