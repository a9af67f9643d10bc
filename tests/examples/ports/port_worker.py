"""Worker process for the ports of peers' samples: python -m tests.examples.ports.port_worker PEER STORE [MODULE:FUNCTION[@CALL] ...]

It loads all samples of a peer. Each named function hangs after its effect (that of call number CALL), before Mainspring can save its
result: a kill there is the worst moment. The function hangs as soon as the file of that name exists in the working folder.
"""

import asyncio
import functools
import importlib
import itertools
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mainspring as ms

SAMPLES = Path(__file__).resolve().parents[3] / "examples" / "ports"


def load_samples(peer: str) -> dict[str, ModuleType]:
    """Return the samples of a peer by the names of their files."""
    names = sorted(path.stem for path in (SAMPLES / peer).glob("*.py"))
    return {name: importlib.import_module(f"examples.ports.{peer}.{name}") for name in names}


def make_hanging(function: Callable[..., Any], mark: Path, call: int) -> Callable[..., Any]:
    """Return the function, hanging after its effect from this call on."""
    numbers = itertools.count(1)

    @functools.wraps(function)
    def call_and_hang(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if next(numbers) >= call:
            mark.touch()
            threading.Event().wait()
        return result

    return call_and_hang


def hang_after_effect(samples: dict[str, ModuleType], place: str) -> None:
    """Let a function of a sample hang."""
    sample, _, target = place.partition(":")
    name, _, call = target.partition("@")
    setattr(samples[sample], name, make_hanging(getattr(samples[sample], name), Path(place), int(call or 1)))


async def work(store: str) -> None:
    """Work until the process is killed."""
    async with ms.App(store).running():
        Path("ready").touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    peer, store, *hanging = sys.argv[1:]
    samples = load_samples(peer)
    for place in hanging:
        hang_after_effect(samples, place)
    asyncio.run(work(store))
