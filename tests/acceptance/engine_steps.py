"""Steps that a child process can import."""

import os
import pathlib
import time
from contextvars import ContextVar

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


def measure_rows(number: int) -> int:
    """Measure rows."""
    ms.measure("rows", number)
    return number


def send_one(number: int) -> str:
    """Send a message and publish an event."""
    ms.publish("sent", {"number": number})
    return ms.send("orders/eu", {"number": number})


@ms.step(retry=ms.Retry(attempts=1))
def once_only(number: int) -> int:
    """A step that is not to be tried again."""
    raise ms.Transient("not even once more")


def wait_for_count(folder: str, name: str, count: int) -> int:
    """Leave a sign of life and return when so many others have left theirs."""
    place = pathlib.Path(folder)
    (place / name).touch()
    until = time.monotonic() + 30
    while len(list(place.iterdir())) < count and time.monotonic() < until:
        time.sleep(0.01)
    return len(list(place.iterdir()))


def wait_for_file(path: str) -> str:
    """Return when a file is there."""
    until = time.monotonic() + 30
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.01)
    return path


class Meter:
    """An object with a method that is a step."""

    def __init__(self) -> None:
        self.readings = 0

    def read(self, number: int) -> list[int]:
        """Return what it was given, how often it was read in this process, and which that is."""
        self.readings += 1
        return [number, self.readings, os.getpid()]


METER = Meter()


USER: ContextVar[str] = ContextVar("user", default="none")


def user_of_step() -> str:
    """Return a context variable of the caller, as a step sees it."""
    return USER.get()


def headers_of_step() -> dict[str, str]:
    """Return the headers of the run."""
    return dict(ms.headers())


def stream_words(words: list[str]) -> int:
    """Write words to a stream."""
    out = ms.stream("tokens")
    for word in words:
        out.write(word)
    out.flush()
    return len(words)
