"""What became of a slot."""

from enum import StrEnum


class SlotVerdict(StrEnum):
    """The answer of the scheduler to a slot that is due."""

    RUN = "run"
    """It has its run."""
    SKIPPED = "skipped"
    """The run before still went on."""
    MISSED = "missed"
    """Nobody looked in time, and it is not made up for."""
    LOST = "lost"
    """It was due between a backup and its restoring: a person decides whether it gets a run."""
