"""Keys of a terminal, as they are pressed."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

_SEQUENCE_TIMEOUT_S = 0.05
"""So long after an escape the rest of an arrow's sequence may come."""


class KeyCommand(StrEnum):
    """What a key means."""

    UP = "up"
    DOWN = "down"
    OPEN = "open"
    BACK = "back"
    HELP = "help"
    END = "end"


_COMMAND_BY_KEY = {
    **dict.fromkeys((b"k", b"\x1b[A", b"\x1bOA"), KeyCommand.UP),
    **dict.fromkeys((b"j", b"\x1b[B", b"\x1bOB"), KeyCommand.DOWN),
    **dict.fromkeys((b"\r", b"\n", b"l", b"\x1b[C", b"\x1bOC"), KeyCommand.OPEN),
    **dict.fromkeys((b"\x1b", b"\x7f", b"h", b"\x1b[D", b"\x1bOD"), KeyCommand.BACK),
    b"?": KeyCommand.HELP,
    **dict.fromkeys((b"q", b"Q", b"\x04", b""), KeyCommand.END),  # without a key: nobody can press one any more
}
ReadKey = Callable[[float], KeyCommand | None]


@contextmanager
def capture_keys() -> Iterator[ReadKey]:
    """Take keys as they are pressed; what is given waits so many seconds at most for one that means something."""
    import select
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def comes(within_s: float) -> bool:
        return bool(select.select([number], [], [], within_s)[0])

    def pressed(within_s: float) -> KeyCommand | None:
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            if comes(left):
                said = os.read(number, 1)
                if said == b"\x1b":
                    said += _read_sequence(number, comes)
                if (key := _COMMAND_BY_KEY.get(said)) is not None:
                    return key
        return None

    tty.setcbreak(number)
    try:
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _read_sequence(number: int, comes: Callable[[float], bool]) -> bytes:
    """Return what follows an escape as one key: up to the letter that ends a sequence; nothing, if it was pressed alone."""
    found = b""
    while comes(_SEQUENCE_TIMEOUT_S) and (one := os.read(number, 1)):
        found += one
        if one == b"~" or (one.isalpha() and found != b"O"):
            break
    return found
