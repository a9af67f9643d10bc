"""Integrity rules: conditions on the rows of every store, and the findings of a check."""

from collections.abc import Mapping
from typing import Final

import msgspec

RULES: Final[Mapping[str, str]] = {
    "check_run_ends": "a run is ended without an instant, or has one without being ended",
    "check_run_owners": "a run is running without a live session, or owned without running",
    "check_ready_runs": "a run is marked ready but may not be claimed",
    "check_journal_ranks": "the journal of a run has a gap",
    "check_journal_runs": "the journal names a run that does not exist",
    "check_partition_holders": "the holder of a partition is not an unfinished run",
    "check_run_pauses": "a run is paused without a record of its pause, or has one without being paused",
    "check_run_updates": "an update without a reply is of a run that has ended or does not exist",
    "check_inbox_runs": "the inbox names a run that does not exist",
}
"""Each statement returns up to 20 rows that break its rule."""

CHAIN: Final = "the audit log was changed or cut"


class IntegrityFinding(msgspec.Struct, frozen=True):
    """One violation: the rule, its subjects (at most 20), and whether the file itself is damaged."""

    what: str
    subjects: tuple[str, ...] = ()
    damaged: bool = False
