"""Steps that read a secret, in each place where a step can run."""

import hashlib
from typing import Any

import mainspring as ms


def digest(text: str) -> str:
    """Return what may be saved of a value: the result of a step is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def reveal(name: str) -> list[Any]:
    secret = ms.secret(name)
    return [digest(secret.reveal()), repr(secret), secret.matches(secret.reveal()), secret.matches("other")]


async def reveal_async(name: str) -> list[Any]:
    secret = await ms.secret(name)
    return [digest(secret.reveal()), repr(secret), secret.matches(secret.reveal()), secret.matches("other")]


def leak(name: str) -> None:
    print("printed", ms.secret(name).reveal())
    ms.log.warning("logged", key=ms.secret(name).reveal())
    raise ms.Permanent(f"raised {ms.secret(name).reveal()}")


async def leak_async(name: str) -> None:
    leak(name)


def save(name: str) -> Any:
    return {"secret": ms.secret(name)}


async def save_async(name: str) -> Any:
    return save(name)
