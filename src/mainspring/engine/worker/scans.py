"""Timers of scans and pauses, which a test on a virtual clock may treat in its own way.

A scan repeats a check in case that a message was lost: rounds of it may be skipped. A pause joins several changes into one check: it may
be left out. All other timers are due at an instant that matters, and none of them is skipped.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[..., Any])


def scan(callback: C) -> C:
    """Mark the callback of a timer as the next round of a scan; for functions and methods."""
    callback.is_scan = True  # type: ignore[attr-defined]  # a function has attributes
    return callback


def is_scan(callback: Callable[..., Any]) -> bool:
    """Return whether a timer with this callback is the next round of a scan."""
    return getattr(callback, "is_scan", False) is True


def pause(callback: C) -> C:
    """Mark the callback of a timer as the end of a pause for further changes; for functions and methods."""
    callback.is_pause = True  # type: ignore[attr-defined]  # a function has attributes
    return callback


def is_pause(callback: Callable[..., Any]) -> bool:
    """Return whether a timer with this callback is a pause for further changes."""
    return getattr(callback, "is_pause", False) is True


async def wait_for_more(seconds: float) -> None:
    """Wait as `asyncio.sleep` does, so that several changes are handled together."""
    loop = asyncio.get_running_loop()
    is_over: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, _end_pause, is_over)
    try:
        await is_over
    finally:
        timer.cancel()


async def wait_for_next_round(seconds: float) -> None:
    """Wait as `asyncio.sleep` does, for the next round of a scan."""
    loop = asyncio.get_running_loop()
    is_due: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, _set_due, is_due)
    try:
        await is_due
    finally:
        timer.cancel()


async def wait_for_change(changed: asyncio.Event, seconds: float) -> bool:
    """Wait until `changed` is set, or for the next round of a scan, which sets it too; return whether it was a change."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, _end_wait, changed)
    try:
        await changed.wait()
    finally:
        timer.cancel()
    return loop.time() < timer.when()


@scan
def _end_wait(changed: asyncio.Event) -> None:
    changed.set()


@pause
def _end_pause(is_over: "asyncio.Future[None]") -> None:
    if not is_over.done():
        is_over.set_result(None)


@scan
def _set_due(is_due: "asyncio.Future[None]") -> None:
    if not is_due.done():
        is_due.set_result(None)
