"""Keys of a terminal for `mainspring top`, read as the user types them."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

_SEQUENCE_TIMEOUT_S = 0.05
"""After an escape, the rest of an arrow's sequence arrives within this time."""


class KeyCommand(StrEnum):
    """The command of a key."""

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
    **dict.fromkeys((b"q", b"Q", b"\x04", b""), KeyCommand.END),  # without a key: the terminal is closed
}
ReadKey = Callable[[float], KeyCommand | None]


@contextmanager
def capture_keys() -> Iterator[ReadKey]:
    """Read keys one by one; the yielded function waits up to a number of seconds for a key with a command."""
    import select
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def is_readable(within_s: float) -> bool:
        return bool(select.select([number], [], [], within_s)[0])

    def read_key(within_s: float) -> KeyCommand | None:
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            if is_readable(left):
                key_bytes = os.read(number, 1)
                if key_bytes == b"\x1b":
                    key_bytes += _read_sequence(number, is_readable)
                if (key := _COMMAND_BY_KEY.get(key_bytes)) is not None:
                    return key
        return None

    tty.setcbreak(number)
    try:
        yield read_key
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _read_sequence(number: int, is_readable: Callable[[float], bool]) -> bytes:
    """Return the rest of a key after an escape: up to the letter that ends a sequence; nothing for a lone escape."""
    sequence = b""
    while is_readable(_SEQUENCE_TIMEOUT_S) and (byte := os.read(number, 1)):
        sequence += byte
        if byte == b"~" or (byte.isalpha() and sequence != b"O"):
            break
    return sequence
