"""Steps with effects: a module of its own, since children find functions by name. A file is the target: a line for each request."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mainspring as ms


@dataclass
class Receipt:
    """The answer of the target."""

    number: int
    text: str


def append(file: str, text: str) -> Receipt:
    """Do what the target does: it keeps each request."""
    with Path(file).open("a") as requests:
        requests.write(f"{text}\n")
    return Receipt(len(Path(file).read_text().splitlines()), text)


ERRORS: dict[str, Exception] = {
    "not_sent": ms.NotSent("queue full"),
    "permanent": ms.Permanent("no such customer"),
    "refused": ConnectionRefusedError(111, "refused"),
    "timeout": TimeoutError("too slow"),
    "bug": KeyError("id"),
}


def _answer(text: str, method: str) -> Any:
    if method in ERRORS:
        raise ERRORS[method]
    if method == "unsaveable":
        return object()
    return text


def _write(file: str, text: str, method: str) -> Any:
    """Send a request, and end as `method` says; `first:X` = so for the first request only."""
    append(file, f"{text} {ms.idempotency_key()}")
    first, _, only = method.partition(":")
    if first == "first":
        method = only if len(Path(file).read_text().splitlines()) == 1 else "well"
    return _answer(text, method)


async def _write_async(file: str, text: str, method: str) -> Any:
    await asyncio.sleep(0)
    return _write(file, text, method)


def _check(file: str, method: str) -> Any:
    append(f"{file}.checks", "check")
    if method == "raises":
        raise TimeoutError("the target does not answer")
    if method == "find":
        lines = Path(file).read_text().splitlines()
        return {"found": len(lines)} if lines else None
    return {"found": {"number": 7}, "true": True, "missing": None, "false": False}[method]


async def _check_async(file: str, method: str) -> Any:
    await asyncio.sleep(0)
    return _check(file, method)


def _options(file: str, options: dict[str, Any], check: Callable[..., Any]) -> dict[str, Any]:
    if "check" not in options:
        return options
    method = options["check"]
    return {**options, "check": lambda *_args: check(file, method)}


def call(file: str, key: str, text: str, method: str, options: dict[str, Any]) -> Any:
    """Call a function once."""
    more = _options(file, {"identity": text, **options}, _check)
    return ms.once(key, _write, file, text, method, **more)


async def call_async(file: str, key: str, text: str, method: str, options: dict[str, Any]) -> Any:
    more = _options(file, {"identity": text, **options}, _check_async)
    return await ms.once(key, _write_async, file, text, method, **more)


def block(file: str, key: str, text: str, method: str, options: dict[str, Any]) -> Any:
    """Enter a block once; `forgets` = it ends without a word about its outcome."""
    with ms.once(key, identity=text, **_options(file, options, _check)) as effect:
        if effect.needed:
            assert ms.idempotency_key() == effect.idempotency_key
            append(file, f"{text} {effect.idempotency_key}")
            result = _answer(text, method)
            if method != "forgets":
                effect.done(result)
    return [effect.result, effect.needed, effect.is_suppressed]


async def block_async(file: str, key: str, text: str, method: str, options: dict[str, Any]) -> Any:
    async with ms.once(key, identity=text, **_options(file, options, _check_async)) as effect:
        if effect.needed:
            assert ms.idempotency_key() == effect.idempotency_key
            append(file, f"{text} {effect.idempotency_key}")
            result = _answer(text, method)
            if method != "forgets":
                effect.done(result)
    return [effect.result, effect.needed, effect.is_suppressed]


async def _append_async(file: str, text: str) -> Receipt:
    return append(file, text)


def _describe(receipt: Any) -> list[Any]:
    return [type(receipt).__name__, receipt.number, receipt.text]


def typed(file: str, key: str) -> list[Any]:
    """Get the result as the annotation of the function has it."""
    return _describe(ms.once(key, append, file, "x"))


async def typed_async(file: str, key: str) -> list[Any]:
    return _describe(await ms.once(key, _append_async, file, "x"))


def twice(file: str, key: str) -> list[Any]:
    """Retry with one object after a release, and enter it again once it is done."""
    effect = ms.once(key)
    with contextlib.suppress(ms.NotSent), effect:
        raise ms.NotSent("no")
    with effect:
        effect.done(append(file, "x").number)
    with effect:
        return [effect.needed, effect.result]


async def twice_async(file: str, key: str) -> list[Any]:
    effect = ms.once(key)
    with contextlib.suppress(ms.NotSent):
        async with effect:
            raise ms.NotSent("no")
    async with effect:
        effect.done(append(file, "x").number)
    async with effect:
        return [effect.needed, effect.result]


def nested(file: str, key: str) -> Any:
    """Ask for the key again inside of its effect."""
    return ms.once(key, lambda: ms.once(key, append, file, "x"), identity=None)


async def nested_async(file: str, key: str) -> Any:
    async def inner() -> Any:
        return await ms.once(key, _append_async, file, "x")

    return await ms.once(key, inner)


def _generate() -> Any:
    yield 1


async def _generate_async() -> Any:
    yield 1


def generators(file: str, key: str) -> list[str]:
    """Give functions whose code does not run when they are called."""
    found = []
    for fn in (_generate, _generate_async, functools.partial(_generate)):
        try:
            ms.once(key, fn)
        except ms.MainspringError as error:
            found.append(error.message)
    return found


async def generators_async(file: str, key: str) -> list[str]:
    return generators(file, key)


def unfinished(file: str, key: str, method: str) -> Any:
    """Give a function that returns what no code runs."""
    returned: Any = {"coroutine": lambda: _append_async(file, "x"), "generator": _generate}[method]
    return ms.once(key, lambda: returned())


async def unfinished_async(file: str, key: str, method: str) -> Any:
    async def fn() -> Any:
        return _append_async(file, "x") if method == "coroutine" else _generate()

    return await ms.once(key, fn)


def hold(file: str, key: str) -> None:
    """Be inside of the effect until the attempt ends."""
    with ms.once(key):
        append(file, "in")
        time.sleep(600)


async def hold_async(file: str, key: str) -> None:
    async with ms.once(key):
        append(file, "in")
        await asyncio.sleep(600)


async def stop_waiting(key: str) -> str:
    """Stop to wait for another holder."""
    try:
        async with asyncio.timeout(0.05), ms.once(key):
            return "never"
    except TimeoutError:
        return "stopped"


async def cancelled_in_turn(file: str, key: str, turns: int) -> str:
    """Cancel the wait for the intent after some turns of the loop; say how it ended."""

    async def perform() -> None:
        async with ms.once(key) as effect:
            append(file, "x")
            effect.done()

    task = asyncio.create_task(perform())
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.sleep(turns / 10_000)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return json.dumps(task.cancelled())


async def block_the_loop(key: str) -> None:
    with ms.once(key):
        pass


def check_in_thread(file: str, key: str) -> Any:
    """Give an async check to a plain block."""
    with ms.once(key, identity="x", check=lambda: _check_async(file, "missing")) as effect:
        return effect.needed


def many(file: str, key: str, number: int) -> int:
    """Perform many effects in one attempt."""
    for index in range(number):
        ms.once(f"{key}:{index}", append, file, "x")
    return number


async def many_async(file: str, key: str, number: int) -> int:
    async def perform(index: int) -> None:
        await ms.once(f"{key}:{index}", _append_async, file, "x")

    await asyncio.gather(*(perform(index) for index in range(number)))
    return number
