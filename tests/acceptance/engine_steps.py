"""Steps that a child process can import."""

import os
import time

import mainspring as ms


def where() -> int:
    """Return the process that runs this."""
    return os.getpid()


def sleep_long(path: str) -> None:
    """Leave a sign of life, then never end."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
        file.flush()
    time.sleep(600)


def double(number: int) -> int:
    """A step that any worker may take."""
    if number < 0:
        raise ms.Permanent(f"{number} is negative")
    return number * 2


def fill(size: int) -> dict[str, list[str]]:
    """Return so many characters."""
    return {"rows": ["x" * size]}


def fill_checkpoint(size: int) -> int:
    """Save so many characters on the way."""
    ms.checkpoint("x" * size)
    return size


def send_one(number: int) -> str:
    """Send a message and publish an event."""
    ms.publish("sent", {"number": number})
    return ms.send("orders/eu", {"number": number})


@ms.step(retry=ms.Retry(attempts=1))
def once_only(number: int) -> int:
    """A step that is not to be tried again."""
    raise ms.Transient("not even once more")
