"""Versions of changes: which side of a change in the code a run takes (`run.version`). Pure.

A run keeps the old side if an attempt of the old code may be under way without a record: its worker died, or the run failed and was
continued. It takes the new side if its own first code had the change, or if nothing is under way and all that is saved was requested.
"""

from collections.abc import Mapping

import msgspec

OLD_SIDE = 1
"""The version of code from before a change."""


class ChangeVersions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Versions that are known in one run, by the id of the change.

    `initial` = those of the code with which the run started. `retained` = those that the run keeps, because its first code with a newer one
    found it after a loss or a failure.
    """

    initial: dict[str, int] = {}
    retained: dict[str, int] = {}

    def former(self, change: str) -> int:
        """Return the version of the code that worked on the run before."""
        return self.retained.get(change, self.initial.get(change, OLD_SIDE))

    def choose(self, change: str, newest: int, *, is_nothing_left: bool) -> int:
        """Return the version that the run takes; `newest` = that of the code of now.

        `is_nothing_left` = all that is saved was requested by this code, and nothing was under way when its claim began.
        """
        if is_nothing_left and change not in self.retained:
            return newest
        return min(self.former(change), newest)

    def lower(self, known: Mapping[str, int]) -> "ChangeVersions":
        """Return this after older code with these versions has got the run: it may pass the place of a change without a question."""
        lowered = {change: min(version, known.get(change, OLD_SIDE)) for change, version in self.initial.items()}
        return ChangeVersions(lowered, self.retained)

    def retain(self, known: Mapping[str, int]) -> "ChangeVersions":
        """Return this, with the former version kept of each change that the code of now has in a newer one."""
        newer = {change: self.former(change) for change, version in known.items() if version > self.former(change)}
        return self if newer.keys() <= self.retained.keys() else ChangeVersions(self.initial, self.retained | newer)


NONE_KNOWN = ChangeVersions()


def read_change_versions(data: bytes | None) -> ChangeVersions:
    """Return what a run has saved."""
    return NONE_KNOWN if data is None else msgspec.json.decode(data, type=ChangeVersions)
