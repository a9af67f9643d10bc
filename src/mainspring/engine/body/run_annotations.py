"""What a body says about itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LineCallback = Callable[[str, object, dict[str, Any]], None]


@dataclass(slots=True)
class RunAnnotations:
    """What a body says about itself, latest values; `changed` until the driver has sent them.

    Hints are not worth a commit of their own: they go with the end of the run, or once before it first waits.
    """

    tags: dict[str, str] = field(default_factory=dict)
    published: bytes | None = None
    progress: tuple[int, int | None] | None = None
    hints: set[str] = field(default_factory=set)
    made: int | None = None
    """Bytes of what it was to produce, once that was looked at."""
    changed: bool = False
    told_by_run: bool = False
    on_line: LineCallback | None = None
    """Takes a line of `run.log`: its level, text and fields."""

    def note_progress(self, done: int, total: int | None, *, of_run: bool) -> None:
        """Take progress of the run, or of a part of it: a part says nothing once the run speaks for itself."""
        if of_run or not self.told_by_run:
            self.told_by_run |= of_run
            self.progress = (done, total)
            self.changed = True

    told: int = 0

    def tell_hints(self) -> None:
        """Let hints that were not sent yet be sent."""
        if len(self.hints) > self.told:
            self.told = len(self.hints)
            self.changed = True
