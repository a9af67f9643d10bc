"""Tasks that webhooks start, and their triggers as the store gives them."""

from typing import Any

import msgspec

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from mainspring.triggers.trigger_cache import CachedTrigger

OPEN = ms.verify.none()


class Item(msgspec.Struct):
    n: int


def known(fn: Any, path: str | None = "/x", **options: Any) -> CachedTrigger:
    """Return the trigger of a task as the store gives it."""
    with Registry():
        made = ms.task(ms.on.webhook("/x", verify=OPEN, **options)(fn))
    ((_, trigger),) = made.definition.triggers.items()
    return CachedTrigger(f"{made.definition.name}/webhook", trigger, made.definition, path, None, None, None)


def event(event: ms.Event) -> None: ...


def whole(item: Item) -> None: ...


def several(items: list[Item]) -> None: ...


def fields(a: str, b: Item | None = None) -> None: ...


def short(name: str) -> None: ...


def nothing() -> None: ...
