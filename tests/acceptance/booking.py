"""A workflow that books and can take it back, and the ledger that shows in which order."""

import asyncio
from typing import Any

import mainspring as ms
from mainspring.engine.definitions.registry import Registry


class Ledger:
    """What was done and undone, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.broken = False
        self.entered = asyncio.Event()

    async def book(self, name: str) -> str:
        self.lines.append(name)
        return name.upper()

    async def unbook(self, name: str, result: str | None = None) -> None:
        if self.broken:
            raise ms.Permanent("the ledger is closed")
        self.lines.append(f"-{name}:{result}")

    async def hang(self, name: str) -> str:
        self.lines.append(name)
        self.entered.set()
        await asyncio.Event().wait()
        return name

    async def fail_somehow(self, name: str) -> str:
        raise ConnectionResetError(f"{name} was cut off")

    async def refuse(self, name: str) -> str:
        raise ms.Permanent(f"no {name}")


def booking(ledger: Ledger, last: object, **options: Any) -> tuple[Registry, object]:
    """A workflow that books a and b and then does `last(run)`."""
    with Registry() as registry:

        @ms.workflow(**options)
        async def trip(run: ms.Run) -> str:
            for name in ("a", "b"):
                await run.options(undo=ledger.unbook, name=name).step(ledger.book, name)
            return await last(run)  # type: ignore[operator]

    return registry, trip
