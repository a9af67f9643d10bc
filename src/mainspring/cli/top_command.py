"""`mainspring top`: how things stand, drawn anew each second."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.status import verdict_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from mainspring.cli.top_frame import Frame, Line, Place
    from mainspring.cli.top_screen import Screen

EVERY_S = 1.0
_LEAST_LINES = 5


@command("top", "show the state live, redrawn every second")
@pass_invocation
def top(invocation: Invocation) -> int:
    """The verdict, open incidents, failed and running runs, queues, processes and what is due next; q or Ctrl-C ends it.

    Arrows (or j and k) choose, enter looks at what is chosen: an automation's incidents and last failures, a run's error; esc goes back,
    ? shows the keys. Where no terminal is, and with --json, it says once how things stand. Ends with 0: to be told by the exit code there
    is mainspring status.
    """
    from mainspring.cli.top_frame import lines_of

    frame = _look(invocation)
    if invocation.output.is_json or not (invocation.output.is_terminal and sys.stdin.isatty()):
        lines = lines_of(frame, invocation.clock.now())
        invocation.output.document(frame, "\n".join(line.text for line in lines))
        return exits.OK
    _live(invocation, frame)
    return exits.OK


def _look(invocation: Invocation) -> "Frame":
    from mainspring.cli.top_frame import look

    verdict = verdict_now(invocation)
    frame = invocation.read(lambda reader: look(reader, verdict))
    return invocation.opened(frame.opened)


def _live(invocation: Invocation, frame: "Frame") -> None:
    """Draw until somebody ends it; what cannot be read for a moment is said, and tried again."""
    from rich.console import Console
    from rich.live import Live

    from mainspring.cli.top_frame import lines_of
    from mainspring.cli.top_keys import Key, keys
    from mainspring.cli.top_screen import Screen
    from mainspring.domain.errors import StoreError

    console = Console(file=invocation.output.data, no_color=not invocation.output.has_colour, highlight=False)
    screen, trouble = Screen(), ""

    def room() -> int:
        return max(console.height - 1, _LEAST_LINES)

    lines: Sequence[Line] = lines_of(frame, invocation.clock.now(), room())
    with (
        suppress(KeyboardInterrupt),
        keys() as pressed,
        Live(_text(screen, lines, room(), trouble), console=console, screen=True, auto_refresh=False) as live,
    ):
        while (key := pressed(EVERY_S)) is not Key.END:
            if key is not None:
                screen.press(key, lines)
            try:
                lines, trouble = _lines(invocation, screen.place, None if screen.is_choosing else room()), ""
            except StoreError as error:
                trouble = error.message
            live.update(_text(screen, lines, room(), trouble), refresh=True)


def _lines(invocation: Invocation, place: "Place | None", height: int | None) -> "list[Line]":
    """Return what is to be seen at a place now; of the overview as much as there is room for (None = all)."""
    from mainspring.cli.top_detail import look_into
    from mainspring.cli.top_frame import Line, lines_of
    from mainspring.domain.errors import NotFoundError

    if place is None:
        return lines_of(_look(invocation), invocation.clock.now(), height)
    try:
        return invocation.opened(lambda opening: look_into(invocation.reader, place, invocation.clock.now(), opening))
    except NotFoundError as error:
        return [Line(error.message, "dim")]


def _text(screen: "Screen", lines: "Sequence[Line]", height: int, trouble: str) -> "Text":
    from rich.text import Text

    from mainspring.cli.top_screen import FOOT
    from mainspring.insight.words import one_line

    text = Text(no_wrap=True, overflow="ellipsis")
    for line, is_chosen in screen.shown(lines, height):
        text.append(line.text + "\n", style=f"{line.style} reverse".strip() if is_chosen else line.style)
    text.append(
        f"the store cannot be read: {one_line(trouble)}" if trouble else FOOT, style="red" if trouble else "dim"
    )
    return text
