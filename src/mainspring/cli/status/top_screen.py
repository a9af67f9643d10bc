"""What stands on the screen of `mainspring top`: where one is, what is chosen there, and what a key changes. Pure.

A choice is a thing, not a line: it stays with that while the lines around it come and go.
"""

from collections.abc import Sequence

from mainspring.cli.status.top_keys import KeyCommand
from mainspring.cli.status.top_overview import ScreenLine, ScreenTarget

FOOTER = "q ends  ↑↓ choose  enter opens  esc goes back  ? help"
HELP_LINES = (
    ScreenLine("Keys", "bold"),
    ScreenLine("  up, k      the thing before"),
    ScreenLine("  down, j    the next one"),
    ScreenLine("  enter, l   look at it: an automation's incidents and last failures, a run's error"),
    ScreenLine("  esc, h     back"),
    ScreenLine("  ?          these keys"),
    ScreenLine("  q, Ctrl-C  end"),
)


class Screen:
    """`places` = the way to what is looked at; empty = the overview."""

    def __init__(self) -> None:
        self.places: list[ScreenTarget] = []
        self.has_help = False
        self._chosen: list[ScreenTarget | None] = [None]
        self._at = 0
        """Where the choice stood among the others, for when it is gone."""

    @property
    def place(self) -> ScreenTarget | None:
        """What is looked at; None = the overview."""
        return self.places[-1] if self.places else None

    @property
    def is_choosing(self) -> bool:
        """Whether something is chosen here: then all of it is to be had, not only what fits."""
        return self._chosen[-1] is not None

    def press(self, key: KeyCommand, lines: Sequence[ScreenLine]) -> None:
        """Do what a key means while these lines are shown."""
        if self.has_help:
            self.has_help = False
            return
        chosen = self._choice(lines)
        match key:
            case KeyCommand.HELP:
                self.has_help = True
            case KeyCommand.UP | KeyCommand.DOWN:
                self._move(lines, 1 if key is KeyCommand.DOWN else -1)
            case KeyCommand.OPEN if chosen is not None:
                self.places.append(chosen)
                self._chosen.append(None)
            case KeyCommand.BACK if self.places:
                self.places.pop()
                self._chosen.pop()
            case KeyCommand.BACK:
                self._chosen[-1] = None

    def shown(self, lines: Sequence[ScreenLine], height: int) -> list[tuple[ScreenLine, bool]]:
        """Return the lines that fit, each with whether it is chosen."""
        if self.has_help:
            return [(line, False) for line in HELP_LINES[:height]]
        chosen = self._choice(lines)
        at = next((n for n, line in enumerate(lines) if line.to is not None and line.to == chosen), 0)
        first = min(max(at - height // 2, 0), max(len(lines) - height, 0))
        return [(line, n == at and chosen is not None) for n, line in enumerate(lines)][first : first + height]

    def _choice(self, lines: Sequence[ScreenLine]) -> ScreenTarget | None:
        """Return what is chosen: what was before, else what has come into its place."""
        there = _list_targets(lines)
        if self._chosen[-1] not in there:
            self._chosen[-1] = there[min(self._at, len(there) - 1)] if there and self._chosen[-1] is not None else None
        return self._chosen[-1]

    def _move(self, lines: Sequence[ScreenLine], by: int) -> None:
        there = _list_targets(lines)
        if not there:
            return
        chosen = self._chosen[-1]
        self._at = 0 if chosen not in there else min(max(there.index(chosen) + by, 0), len(there) - 1)
        self._chosen[-1] = there[self._at]


def _list_targets(lines: Sequence[ScreenLine]) -> list[ScreenTarget]:
    """Return what lines lead to, each once."""
    return list(dict.fromkeys(line.to for line in lines if line.to is not None))
