"""`python -m bench.sides.changing start A_SECOND SECONDS`: starts so many runs a second in the store of this measurement."""

import sys
import time
from typing import Any

from bench.sides.engine import CLOCK, start, store_place
from mainspring.app.stores.store_factory import make_store

_PARTS = 20
"""Of a second: in each of them its share is started at once."""


def starting(a_second: int, seconds: int) -> None:
    """Start, at a steady pace, and wait for what was started last."""
    store = make_store(store_place(), clock=CLOCK)
    store.open()
    store.open_session("cli")
    done: list[Any] = []
    began = time.perf_counter()
    for part in range(seconds * _PARTS):
        for _ in range(a_second // _PARTS):
            store.submit(start("steps", count=1), done.append)
        time.sleep(max(0, began + (part + 1) / _PARTS - time.perf_counter()))
    while len(done) < seconds * (a_second // _PARTS) * _PARTS:
        time.sleep(0.01)
    wrong = next((one for one in done if isinstance(one, Exception)), None)
    store.close()
    if wrong is not None:
        raise wrong


if __name__ == "__main__":
    starting(*map(int, sys.argv[2:]))
