"""What must be true of the rows of a store, whatever the database, and what a check says where it is not."""

from collections.abc import Mapping
from typing import Final

import msgspec

RULES: Final[Mapping[str, str]] = {
    "check_unended": "a run is ended without an instant, or has one without being ended",
    "check_ownerless": "a run is running without a live session, or owned without running",
    "check_stuck": "a run is marked ready but may not be claimed",
    "check_ranks": "the journal of a run has a gap",
    "check_orphans": "the journal names a run that does not exist",
    "check_holds": "a partition is held by a run that does not live",
    "check_inbox": "the inbox names a run that does not exist",
}
"""Each statement returns what breaks its rule, at most 20."""

CHAIN: Final = "the audit log was changed or cut"


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: the rule, what broke it (at most 20), and whether the file itself is damaged."""

    what: str
    subjects: tuple[str, ...] = ()
    damaged: bool = False
