"""Annotations of a run: tags, state, progress and hints that its body reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LineCallback = Callable[[str, object, dict[str, Any]], None]


@dataclass(slots=True)
class RunAnnotations:
    """The latest annotations; `changed` until the driver has sent them.

    Hints do not need their own commit: they are sent with the end of the run, or once before it first waits.
    """

    tags: dict[str, str] = field(default_factory=dict)
    published: bytes | None = None
    progress: tuple[int, int | None] | None = None
    hints: set[str] = field(default_factory=set)
    reported_size: int | None = None
    """Bytes of the promised output files, once they were checked."""
    changed: bool = False
    has_new_state: bool = False
    """Whether a published state is not sent yet: it travels with the next outcome at the latest."""
    is_reported_by_run: bool = False
    on_line: LineCallback | None = None
    """Receives a line of `run.log`: its level, text and fields."""

    def note_progress(self, done: int, total: int | None, *, of_run: bool) -> None:
        """Set the progress of the run, or of a part of it; a part is ignored once the run itself reported progress."""
        if of_run or not self.is_reported_by_run:
            self.is_reported_by_run |= of_run
            self.progress = (done, total)
            self.changed = True

    sent_hints: int = 0

    def mark_new_hints(self) -> None:
        """Mark new hints for sending."""
        if len(self.hints) > self.sent_hints:
            self.sent_hints = len(self.hints)
            self.changed = True
