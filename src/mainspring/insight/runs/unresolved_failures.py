"""Unresolved failures, which need a decision: stopped runs without an open incident, and failed runs that nothing has settled."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from mainspring.insight.text.formatting import format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.runs import unresolved_runs
from mainspring.store.views import Capped

NO_RUNS: Final = Capped(0, more=False)


class UnresolvedFailures(NamedTuple):
    """`halted` need a person and belong to no unresolved incident; `undecided` failed without a decision.

    `stopped` = all that need a person, those of `halted` too.
    """

    halted: Capped = NO_RUNS
    undecided: Capped = NO_RUNS
    stopped: Capped = NO_RUNS

    @property
    def text(self) -> str:
        """How many runs need a decision, as in `failed list`."""
        return undecided_runs_text(self.undecided, self.stopped)

    def unreported(self) -> Iterator[str]:
        """Yield what needs a person and no incident reports."""
        if self.halted.number:
            need = "needs" if str(self.halted) == "1" else "need"
            yield f"{format_count(self.halted, 'run')} {need} a person. See: mainspring failed list --state needs_attention"

    def sentences(self) -> Iterator[str]:
        """Yield how many failed runs need a decision, with the next command."""
        if self.undecided.number:
            yield f"{self.text}: mainspring failed list"

    def head(self, head: str, count: int) -> str:
        """Return in a few words whether anything needs a person: `head` if something else does, else how many failed runs."""
        return head if count or not self.undecided.number else self.text

    def opening(self, head: str, count: int) -> str:
        """Return the start of the sentence, with the command if only failed runs need a person."""
        if count or not self.undecided.number:
            return head
        return f"{self.text}: `mainspring failed list`. Otherwise healthy"

    def parts(self, count: int) -> list[str]:
        """Return the failed runs for the list of the sentence, unless it begins with them."""
        return [self.text] if count and self.undecided.number else []


def undecided_runs_text(number: Capped, stopped: Capped = NO_RUNS) -> str:
    """Return how many runs are undecided: "2 failed runs still need a decision", "1 failed run and 1 stopped run need a decision"."""
    if stopped.number:
        return f"{format_count(number, 'failed run')} and {format_count(stopped, 'stopped run')} need a decision"
    need = "needs" if str(number) == "1" else "need"
    return f"{format_count(number, 'failed run')} still {need} a decision"


def read_unresolved_failures(reader: StoreReader, automations: Collection[str] | None = None) -> UnresolvedFailures:
    """Return what needs a decision, of these automations; None = of all."""
    undecided = count_undecided_runs(reader, automations)
    stopped = (
        unresolved_runs.count_stopped_runs(reader, automations) if undecided.number else NO_RUNS
    )  # else no sentence is about it
    return UnresolvedFailures(unresolved_runs.count_stopped_without_incident(reader, automations), undecided, stopped)


def count_undecided_runs(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return only how many failed runs are undecided."""
    return unresolved_runs.undecided_failures(reader, automations)
