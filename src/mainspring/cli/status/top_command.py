"""`mainspring top`: how things stand, drawn anew each second."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.status.status_command import read_project_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from mainspring.cli.status.top_overview import Overview, ScreenLine, ScreenTarget
    from mainspring.cli.status.top_screen import Screen

REFRESH_INTERVAL_S = 1.0
_MIN_LINES = 5


@command("top", "show the state live, redrawn every second")
@pass_invocation
def top(invocation: Invocation) -> int:
    """The verdict, open incidents, failed and running runs, queues, processes and what is due next; q or Ctrl-C ends it.

    Arrows (or j and k) choose, enter looks at what is chosen: an automation's incidents and last failures, a run's error; esc goes back,
    ? shows the keys. Where no terminal is, and with --json, it says once how things stand. Ends with 0: to be told by the exit code there
    is mainspring status.
    """
    from mainspring.cli.status.top_overview import format_overview

    frame = _read_overview(invocation)
    if invocation.output.is_json or not (invocation.output.is_terminal and sys.stdin.isatty()):
        lines = format_overview(frame, invocation.clock.now())
        invocation.output.document(frame, "\n".join(line.text for line in lines))
        return exits.OK
    _draw_until_end(invocation, frame)
    return exits.OK


def _read_overview(invocation: Invocation) -> "Overview":
    from mainspring.cli.status.top_overview import read_overview

    verdict = read_project_status(invocation)
    frame = invocation.read(lambda reader: read_overview(reader, verdict))
    return invocation.opened(frame.opened)


def _draw_until_end(invocation: Invocation, frame: "Overview") -> None:
    """Draw until somebody ends it; what cannot be read for a moment is said, and tried again."""
    from rich.console import Console
    from rich.live import Live

    from mainspring.cli.status.top_keys import KeyCommand, capture_keys
    from mainspring.cli.status.top_overview import format_overview
    from mainspring.cli.status.top_screen import Screen
    from mainspring.domain.errors import StoreError

    console = Console(file=invocation.output.data, no_color=not invocation.output.has_colour, highlight=False)
    screen, trouble = Screen(), ""

    def room() -> int:
        return max(console.height - 1, _MIN_LINES)

    lines: Sequence[ScreenLine] = format_overview(frame, invocation.clock.now(), room())
    with (
        suppress(KeyboardInterrupt),
        capture_keys() as pressed,
        Live(_make_text(screen, lines, room(), trouble), console=console, screen=True, auto_refresh=False) as live,
    ):
        while (key := pressed(REFRESH_INTERVAL_S)) is not KeyCommand.END:
            if key is not None:
                screen.press(key, lines)
            try:
                lines, trouble = _read_lines(invocation, screen.place, None if screen.is_choosing else room()), ""
            except StoreError as error:
                trouble = error.message
            live.update(_make_text(screen, lines, room(), trouble), refresh=True)


def _read_lines(invocation: Invocation, place: "ScreenTarget | None", height: int | None) -> "list[ScreenLine]":
    """Return what is to be seen at a place now; of the overview as much as there is room for (None = all)."""
    from mainspring.cli.status.top_detail import read_detail
    from mainspring.cli.status.top_overview import ScreenLine, format_overview
    from mainspring.domain.errors import NotFoundError

    if place is None:
        return format_overview(_read_overview(invocation), invocation.clock.now(), height)
    try:
        return invocation.opened(lambda opening: read_detail(invocation.reader, place, invocation.clock.now(), opening))
    except NotFoundError as error:
        return [ScreenLine(error.message, "dim")]


def _make_text(screen: "Screen", lines: "Sequence[ScreenLine]", height: int, trouble: str) -> "Text":
    from rich.text import Text

    from mainspring.cli.status.top_screen import FOOTER
    from mainspring.insight.text.formatting import escape_line

    text = Text(no_wrap=True, overflow="ellipsis")
    for line, is_chosen in screen.shown(lines, height):
        text.append(line.text + "\n", style=f"{line.style} reverse".strip() if is_chosen else line.style)
    text.append(
        f"the store cannot be read: {escape_line(trouble)}" if trouble else FOOTER, style="red" if trouble else "dim"
    )
    return text
