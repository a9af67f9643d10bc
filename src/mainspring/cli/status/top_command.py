"""The top command, `mainspring top`: the state of the project, redrawn each second."""

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


@command("top", "show the status live, updated every second")
@pass_invocation
def top(invocation: Invocation) -> int:
    """Shows the status, open incidents, failed and running runs, queues, processes and due times. q or Ctrl-C ends it.

    Arrows (or j and k) select; enter opens the selected automation (incidents, last failures) or run (error); esc goes back; ? shows the
    keys. Without a terminal, and with --json, it prints the state once. The exit code is always 0: for an exit code use `mainspring
    status`.
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

    project_status = read_project_status(invocation)
    frame = invocation.read(lambda reader: read_overview(reader, project_status))
    return invocation.unseal(frame.unseal)


def _draw_until_end(invocation: Invocation, frame: "Overview") -> None:
    """Draw until the user ends it. A failed read is shown and retried."""
    from rich.console import Console
    from rich.live import Live

    from mainspring.cli.status.top_keys import KeyCommand, capture_keys
    from mainspring.cli.status.top_overview import format_overview
    from mainspring.cli.status.top_screen import Screen
    from mainspring.domain.errors import StoreError

    console = Console(file=invocation.output.data, no_color=not invocation.output.has_colour, highlight=False)
    screen, error_text = Screen(), ""

    def free_lines() -> int:
        return max(console.height - 1, _MIN_LINES)

    lines: Sequence[ScreenLine] = format_overview(frame, invocation.clock.now(), free_lines())
    with (
        suppress(KeyboardInterrupt),
        capture_keys() as read_key,
        Live(
            _make_text(screen, lines, free_lines(), error_text), console=console, screen=True, auto_refresh=False
        ) as live,
    ):
        while (key := read_key(REFRESH_INTERVAL_S)) is not KeyCommand.END:
            if key is not None:
                screen.handle_key(key, lines)
            try:
                lines, error_text = (
                    _read_lines(invocation, screen.place, None if screen.is_choosing else free_lines()),
                    "",
                )
            except StoreError as error:
                error_text = error.message
            live.update(_make_text(screen, lines, free_lines(), error_text), refresh=True)


def _read_lines(invocation: Invocation, place: "ScreenTarget | None", height: int | None) -> "list[ScreenLine]":
    """Return the lines of a place now; of the overview as many as fit (None = all)."""
    from mainspring.cli.status.top_detail import read_detail
    from mainspring.cli.status.top_overview import ScreenLine, format_overview
    from mainspring.domain.errors import NotFoundError

    if place is None:
        return format_overview(_read_overview(invocation), invocation.clock.now(), height)
    try:
        return invocation.unseal(
            lambda unsealer: read_detail(invocation.reader, place, invocation.clock.now(), unsealer)
        )
    except NotFoundError as error:
        return [ScreenLine(error.message, "dim")]


def _make_text(screen: "Screen", lines: "Sequence[ScreenLine]", height: int, error_text: str) -> "Text":
    from rich.text import Text

    from mainspring.cli.status.top_screen import FOOTER
    from mainspring.insight.text.formatting import escape_line

    text = Text(no_wrap=True, overflow="ellipsis")
    for line, is_chosen in screen.visible_lines(lines, height):
        text.append(line.text + "\n", style=f"{line.style} reverse".strip() if is_chosen else line.style)
    text.append(
        f"the store cannot be read: {escape_line(error_text)}" if error_text else FOOTER,
        style="red" if error_text else "dim",
    )
    return text
