"""The restore hold: what a restored store keeps in `meta` until it is released, whatever the database."""

from typing import Final

HOLD_KEY: Final = "held"
"""This entry, with any value, holds the store: nothing is claimed."""

RESTORED_AT: Final = "restored_at"
"""The instant of the last restoring (ms UTC, as text). Runs of before it need a decision."""

RESTORED_FROM: Final = "restored_from"
"""The backup that the last restoring put in place, as it was named."""


def decision_key(restored_at: str, run: str) -> str:
    """Return the entry that marks a run as decided; it counts for this restoring only."""
    return f"decided:{restored_at}:{run}"


RELEASED_AT: Final = "released_at"
"""The instant of the last release (ms UTC, as text): what was due before it is expected by no one."""

LOST_FROM: Final = "lost_from"
"""From when on slots were set aside by that restoring (ms UTC, as text)."""

LOST_CHANGES: Final = "lost_changes"
"""JSON: what persons changed in the replaced store since the backup; not there where it could not be read."""


LOST_COMMITS: Final = "lost_commits"
"""JSON: the domain.lost_commits.LostCommits for which the store was put on hold; not there after a restore."""
