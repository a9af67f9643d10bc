"""The lost interval of a restored store, from its backup to its restore: which of its work may be done already."""

from typing import Final

LOST_INTERVAL_NOTE: Final = "it may have been done after the backup was made, so a person decides"
"""The note on record for a slot, delivery or message of the interval that was set aside."""

LOST_EFFECT_NOTE: Final = "it was begun after the backup was made, and the restored store does not know how it ended"
"""The note of an effect of the interval, which the replaced store had on record."""

LOST_MOVES_REASON: Final = "the store lacks its latest commits, and perhaps moves of this rollout"
"""Why a rollout in progress is paused."""


def may_be_lost(happened_at: int | None, *, restored_at: int, is_held: bool) -> bool:
    """Return whether a file or message may have been imported before, by the store that was replaced.

    `happened_at` = when the file was changed last, or the message published (ms). An input without a date is set aside until the store is
    released.
    """
    return is_held if happened_at is None else happened_at <= restored_at
