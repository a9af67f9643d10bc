"""`mainspring top`: how things stand, drawn anew each second."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.status import verdict_now

if TYPE_CHECKING:
    from rich.text import Text

    from mainspring.cli.top_frame import Frame

EVERY_S = 1.0
_END = frozenset({b"q", b"Q", b"\x04"})


@command("top", "watch how things stand, drawn anew each second")
@pass_invocation
def top(invocation: Invocation) -> int:
    """The verdict, open incidents, running runs, queues, processes and what is due next; q or Ctrl-C ends it.

    Where no terminal is, and with --json, it says so once. Ends with 0: to be told by the exit code there is mainspring status.
    """
    from mainspring.cli.top_frame import lines_of

    frame = _look(invocation)
    if invocation.output.is_json or not (invocation.output.is_terminal and sys.stdin.isatty()):
        lines = lines_of(frame, invocation.clock.now())
        invocation.output.document(frame, "\n".join(text for text, _ in lines))
        return exits.OK
    _live(invocation, frame)
    return exits.OK


def _look(invocation: Invocation) -> "Frame":
    from mainspring.cli.top_frame import Frame, look

    verdict = verdict_now(invocation)
    return invocation.read(lambda reader: look(reader, verdict), Frame(verdict, [], [], [], [], []))


def _live(invocation: Invocation, first: "Frame") -> None:
    """Draw frames until somebody ends it; what cannot be read for a moment is said, and tried again."""
    from rich.console import Console
    from rich.live import Live

    from mainspring.domain.errors import StoreError

    console = Console(file=invocation.output.data, no_color=not invocation.output.has_colour, highlight=False)

    def drawn(frame: "Frame", trouble: str = "") -> "Text":
        return _text(frame, invocation.clock.now(), console.height, trouble)

    frame = first
    with (
        suppress(KeyboardInterrupt),
        _keys() as pressed,
        Live(drawn(frame), console=console, screen=True, auto_refresh=False) as live,
    ):
        while not pressed(EVERY_S):
            try:
                frame, trouble = _look(invocation), ""
            except StoreError as error:
                trouble = error.message
            live.update(drawn(frame, trouble), refresh=True)


def _text(frame: "Frame", now: int, height: int, trouble: str) -> "Text":
    from rich.text import Text

    from mainspring.cli.top_frame import lines_of
    from mainspring.cli.words import one_line

    lines = lines_of(frame, now, max(height - 1, 5))
    text = Text(no_wrap=True, overflow="ellipsis")
    for line, style in lines:
        text.append(line + "\n", style=style)
    text.append(
        f"the store cannot be read: {one_line(trouble)}" if trouble else "q ends", style="red" if trouble else "dim"
    )
    return text


@contextmanager
def _keys() -> "Iterator[Callable[[float], bool]]":
    """Take keys as they are pressed; what is given waits so many seconds at most, and tells whether to end."""
    import select
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def pressed(within_s: float) -> bool:
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            if select.select([number], [], [], left)[0]:
                key = os.read(number, 1)
                if not key or key in _END:  # without a key: nobody can press one any more
                    return True
        return False

    tty.setcbreak(number)
    try:
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
