"""Calls of operations of the service layer, as a program does them."""

import asyncio
from collections.abc import Callable
from typing import Any

import mainspring as ms
from mainspring.service.actor import Actor, operation_context


async def call_service(app: ms.App, operation: Callable[..., Any], reason: str | None = None) -> Any:
    """Call `operation(store, act=...)` off the loop."""
    act = operation_context(Actor.app(1, "test"), app.clock, reason=reason)
    return await asyncio.to_thread(operation, await app.opened_store(), act=act)
