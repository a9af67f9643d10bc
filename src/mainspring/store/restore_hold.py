"""The restore hold: entries of a restored store in `meta` until its release, the same for every database."""

from typing import Final

HOLD_KEY: Final = "held"
"""With this entry, of any value, the store is on hold: no run is claimed."""

RESTORED_AT: Final = "restored_at"
"""The instant of the last restore (ms UTC, as text). Earlier runs need a decision."""

RESTORED_FROM: Final = "restored_from"
"""The backup of the last restore, by its given name."""


def decision_key(restored_at: str, run: str) -> str:
    """Return the entry that marks a run as decided; it counts for this restore only."""
    return f"decided:{restored_at}:{run}"


RELEASED_AT: Final = "released_at"
"""The instant of the last release (ms UTC, as text): earlier due times are not expected."""

LOST_FROM: Final = "lost_from"
"""The instant from which the last restore skipped slots (ms UTC, as text)."""

LOST_CHANGES: Final = "lost_changes"
"""JSON: changes in the replaced store since the backup, by people and by the guard of rollouts; missing if they could not be read."""


LOST_EFFECTS: Final = "lost_effects"
"""How many effects of the replaced store were carried over in doubt (as text); missing if they could not be read."""


LOST_COMMITS: Final = "lost_commits"
"""JSON: the domain.integrity.lost_commits.LostCommits that put the store on hold; missing after a restore."""
