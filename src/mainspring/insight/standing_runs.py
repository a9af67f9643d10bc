"""Runs that stand still by an error of which nothing is told any more, or not yet: counted with a cap, as every verdict tells them."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from mainspring.insight.words import many
from mainspring.store.base import Reader
from mainspring.store.reads import standing as stored
from mainspring.store.views import Capped

DAY_MS: Final = 86_400_000
DAYS: Final = 7
"""A failure that nobody has decided on is told for so long."""
NONE: Final = Capped(0, more=False)


class StandingRuns(NamedTuple):
    """Runs that are part of no incident that is not resolved.

    `halted` need a person, `failed` did so within a day, and no watcher told of it; `undecided` failed within a week by an error that a
    later success ended: that is well, but nobody has decided on them.
    """

    halted: Capped = NONE
    failed: Capped = NONE
    undecided: Capped = NONE

    def untold(self) -> Iterator[str]:
        """Yield what needs a person and is said by no incident."""
        if self.halted.number:
            need = "needs" if str(self.halted) == "1" else "need"
            yield f"{many(self.halted, 'run')} {need} a person. See: mainspring failed list --state needs_attention"
        if self.failed.number:
            yield f"{many(self.failed, 'run')} failed within a day. See: mainspring failed list --ended-since 24h"

    def aside(self) -> str:
        """Return what the sentence says behind its head: nothing, or "; 2 older runs failed and nobody has decided on them (...)"."""
        if not self.undecided.number:
            return ""
        return f"; {undecided_text(self.undecided)} (mainspring failed list --state failed --ended-since {DAYS}d)"


def undecided_text(number: Capped) -> str:
    """Return how many runs failed and were left: "2 older runs failed and nobody has decided on them"."""
    return f"{many(number, 'older run')} failed and nobody has decided on {'it' if str(number) == '1' else 'them'}"


def standing_runs(reader: Reader, now: int, automations: Collection[str] | None = None) -> StandingRuns:
    """Return what stands still at the instant `now` (ms), of these automations; None = of all."""
    return StandingRuns(
        stored.unattended(reader, automations),
        stored.untold_failures(reader, now - DAY_MS, automations),
        undecided_runs(reader, now, automations),
    )


def undecided_runs(reader: Reader, now: int, automations: Collection[str] | None = None) -> Capped:
    """Return of that only how many failed and were left."""
    return stored.undecided_failures(reader, now - DAYS * DAY_MS, automations)
