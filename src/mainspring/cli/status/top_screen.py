"""Screen state of `mainspring top`: the present place, the choice, and the effect of a key. Pure.

A choice is an object, not a line: it stays while the lines around it change.
"""

from collections.abc import Sequence

from mainspring.cli.status.top_keys import KeyCommand
from mainspring.cli.status.top_overview import ScreenLine, ScreenTarget

FOOTER = "q ends  ↑↓ select  enter opens  esc back  ? help"
HELP_LINES = (
    ScreenLine("Keys", "bold"),
    ScreenLine("  up, k      select the one above"),
    ScreenLine("  down, j    select the one below"),
    ScreenLine("  enter, l   open it: incidents and last failures of an automation, the error of a run"),
    ScreenLine("  esc, h     go back"),
    ScreenLine("  ?          show these keys"),
    ScreenLine("  q, Ctrl-C  end"),
)


class Screen:
    """The state of the screen. `places` = the path to the present place; empty = the overview."""

    def __init__(self) -> None:
        self.places: list[ScreenTarget] = []
        self.has_help = False
        self._chosen: list[ScreenTarget | None] = [None]
        self._at = 0
        """The position of the choice, for when its object is gone."""

    @property
    def place(self) -> ScreenTarget | None:
        """The present place; None = the overview."""
        return self.places[-1] if self.places else None

    @property
    def is_choosing(self) -> bool:
        """Whether an object is chosen here: then all lines are needed, not only those that fit."""
        return self._chosen[-1] is not None

    def handle_key(self, key: KeyCommand, lines: Sequence[ScreenLine]) -> None:
        """Apply a key while these lines are visible."""
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

    def visible_lines(self, lines: Sequence[ScreenLine], height: int) -> list[tuple[ScreenLine, bool]]:
        """Return the lines that fit, each with whether it is chosen."""
        if self.has_help:
            return [(line, False) for line in HELP_LINES[:height]]
        chosen = self._choice(lines)
        at = next((n for n, line in enumerate(lines) if line.to is not None and line.to == chosen), 0)
        first = min(max(at - height // 2, 0), max(len(lines) - height, 0))
        return [(line, n == at and chosen is not None) for n, line in enumerate(lines)][first : first + height]

    def _choice(self, lines: Sequence[ScreenLine]) -> ScreenTarget | None:
        """Return the choice: the former one, or the object now in its place."""
        targets = _list_targets(lines)
        if self._chosen[-1] not in targets:
            self._chosen[-1] = (
                targets[min(self._at, len(targets) - 1)] if targets and self._chosen[-1] is not None else None
            )
        return self._chosen[-1]

    def _move(self, lines: Sequence[ScreenLine], by: int) -> None:
        targets = _list_targets(lines)
        if not targets:
            return
        chosen = self._chosen[-1]
        self._at = 0 if chosen not in targets else min(max(targets.index(chosen) + by, 0), len(targets) - 1)
        self._chosen[-1] = targets[self._at]


def _list_targets(lines: Sequence[ScreenLine]) -> list[ScreenTarget]:
    """Return the targets of lines, each once."""
    return list(dict.fromkeys(line.to for line in lines if line.to is not None))
