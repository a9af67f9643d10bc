"""Runs that need a decision: those that need a person and are part of no open incident, and failed runs that nothing has settled."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from mainspring.insight.words import many
from mainspring.store.base import Reader
from mainspring.store.reads import standing as stored
from mainspring.store.views import Capped

NONE: Final = Capped(0, more=False)


class StandingRuns(NamedTuple):
    """`halted` need a person and are part of no incident that is not resolved; `undecided` failed, and no one has decided on them.

    `stopped` = all that need a person, those of `halted` too.
    """

    halted: Capped = NONE
    undecided: Capped = NONE
    stopped: Capped = NONE

    @property
    def text(self) -> str:
        """How many runs need a decision, as `failed list` lists them."""
        return undecided_text(self.undecided, self.stopped)

    def untold(self) -> Iterator[str]:
        """Yield what needs a person and is said by no incident."""
        if self.halted.number:
            need = "needs" if str(self.halted) == "1" else "need"
            yield f"{many(self.halted, 'run')} {need} a person. See: mainspring failed list --state needs_attention"

    def sentences(self) -> Iterator[str]:
        """Yield how many failed runs need a decision, with the next command."""
        if self.undecided.number:
            yield f"{self.text}: mainspring failed list"

    def head(self, head: str, count: int) -> str:
        """Return in a few words whether anything needs a person: `head` where something else does, else how many failed runs."""
        return head if count or not self.undecided.number else self.text

    def opening(self, head: str, count: int) -> str:
        """Return how the sentence begins, with the command where failed runs are all that needs a person."""
        if not self.undecided.number:
            return head
        return f"{head}; {self.text}" if count else f"{self.text}: `mainspring failed list`. Otherwise healthy"


def undecided_text(number: Capped, stopped: Capped = NONE) -> str:
    """Return how many runs are undecided: "2 failed runs still need a decision", "1 failed run and 1 stopped run need a decision"."""
    if stopped.number:
        return f"{many(number, 'failed run')} and {many(stopped, 'stopped run')} need a decision"
    need = "needs" if str(number) == "1" else "need"
    return f"{many(number, 'failed run')} still {need} a decision"


def standing_runs(reader: Reader, automations: Collection[str] | None = None) -> StandingRuns:
    """Return what needs a decision, of these automations; None = of all."""
    undecided = undecided_runs(reader, automations)
    stopped = stored.stopped(reader, automations) if undecided.number else NONE  # else no sentence is about it
    return StandingRuns(stored.unattended(reader, automations), undecided, stopped)


def undecided_runs(reader: Reader, automations: Collection[str] | None = None) -> Capped:
    """Return of that only how many failed runs are undecided."""
    return stored.undecided_failures(reader, automations)
