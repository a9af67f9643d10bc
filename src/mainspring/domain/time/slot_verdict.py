"""The verdict on a slot."""

from enum import StrEnum


class SlotVerdict(StrEnum):
    """The verdict of the scheduler on a slot that is due."""

    RUN = "run"
    """It has its run."""
    SKIPPED = "skipped"
    """The run before was still running."""
    MISSED = "missed"
    """No scheduler ran in time, and it does not run later."""
    LOST = "lost"
    """It was due between a backup and its restore: a person decides whether it gets a run."""
