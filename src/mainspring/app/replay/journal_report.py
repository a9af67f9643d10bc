"""Report of a replay of journals: counts by automation, and the differences, those of several journals for one reason together."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from mainspring.app.replay.difference_text import describe_fix
from mainspring.app.replay.journal_replayer import JournalReplayer, JournalResult
from mainspring.app.replay.journal_sources import Journal
from mainspring.domain.failures.error_normalizer import normalize_error
from mainspring.engine.driver.journal_replay import JournalDifference, ReplayOutcome
from mainspring.engine.driver.replay import SavedRun

_MOST_RUNS, _MOST_FURTHER = 5, 4
_STEP_KEY = re.compile(r"\[[^\]]*\]|#\d+")


class AutomationCount(msgspec.Struct, frozen=True):
    """The journals of one automation. `left_out` = ended runs of an automation that the code has no more."""

    automation: str
    journals: int
    same: int
    different: int
    not_replayed: int
    left_out: int


class DifferenceGroup(msgspec.Struct, frozen=True):
    """Journals that differ for one reason: the differences of the first one, the most important one first.

    `runs` = the first ids, `number` = how many there are. `histories` = what two replays requested, if they differ.
    """

    outcome: ReplayOutcome
    automation: str
    version: int
    differences: list[JournalDifference]
    runs: list[str]
    number: int
    fix: str
    histories: list[list[str]] = []


class JournalReport(msgspec.Struct, frozen=True):
    """The whole report."""

    automations: list[AutomationCount]
    differences: list[DifferenceGroup]
    journals: int
    replayed: int
    same: int
    seconds: float
    problems: list[str] = []
    """Files and automations that the code could not load."""

    @property
    def is_same(self) -> bool:
        """Whether all journals are the same with the code."""
        return not self.differences


class _Collector:
    """Collects results."""

    def __init__(self) -> None:
        self._outcomes: dict[str, list[ReplayOutcome | None]] = {}
        self._groups: dict[tuple[Any, ...], list[JournalResult]] = {}

    def leave_out(self, automation: str) -> None:
        """Count a run whose automation the code has no more."""
        self._outcomes.setdefault(automation, []).append(None)

    def add(self, result: JournalResult) -> None:
        """Add the result of a journal."""
        self._outcomes.setdefault(result.automation, []).append(result.outcome)
        if result.differences:
            first = result.differences[0]
            place = normalize_error(first.text) if first.step is None else _STEP_KEY.sub("", first.step)
            key = (result.automation, result.version, first.outcome, place, first.place)
            self._groups.setdefault(key, []).append(result)

    def count(self) -> Iterator[AutomationCount]:
        """Yield the counts by automation, in the order of names."""
        for automation, outcomes in sorted(self._outcomes.items()):
            same, absent = outcomes.count(ReplayOutcome.SAME), outcomes.count(ReplayOutcome.NOT_REPLAYED)
            left_out = outcomes.count(None)
            different = len(outcomes) - same - absent - left_out
            yield AutomationCount(automation, len(outcomes), same, different, absent, left_out)

    def build_groups(self) -> list[DifferenceGroup]:
        """Return the differences, those of many journals first, and those that could not be replayed last."""
        groups = [
            DifferenceGroup(
                results[0].outcome,
                results[0].automation,
                results[0].version,
                results[0].differences[: 1 + _MOST_FURTHER],
                [result.run for result in results[:_MOST_RUNS]],
                len(results),
                results[0].hint or describe_fix(results[0].differences[0]),
                results[0].histories,
            )
            for results in self._groups.values()
        ]
        return sorted(groups, key=lambda group: (group.outcome is ReplayOutcome.NOT_REPLAYED, -group.number))


def replay_journals(
    replayer: JournalReplayer, journals: Iterable[Journal], on_progress: Callable[[int], None] = lambda _: None
) -> JournalReport:
    """Replay journals and return the report. `on_progress` is called with the number of journals so far."""
    started, collector, count = time.monotonic(), _Collector(), 0
    for count, journal in enumerate(journals, 1):
        if journal.may_be_left_out and not replayer.has_code_of(journal.automation, journal.kind):
            collector.leave_out(journal.automation)
        else:
            collector.add(replay_one(replayer, journal))
        on_progress(count)
    counts = list(collector.count())
    same = sum(row.same for row in counts)
    replayed = sum(row.same + row.different for row in counts)
    problems = [f"{problem.where}: {problem.what}" for problem in replayer.code.problems]
    seconds = round(time.monotonic() - started, 1)
    return JournalReport(counts, collector.build_groups(), count, replayed, same, seconds, problems)


def replay_one(replayer: JournalReplayer, journal: Journal) -> JournalResult:
    """Return the result of one journal."""
    if not isinstance(journal.saved, SavedRun):
        error = journal.saved
        difference = JournalDifference(ReplayOutcome.NOT_REPLAYED, error.message)
        return JournalResult(journal.run, journal.automation, 0, [difference], hint=error.hint)
    result = replayer.replay(journal.saved)
    if result.outcome is ReplayOutcome.NEW_STEP and journal.is_declared_done():
        return JournalResult(result.run, result.automation, result.version, [])
    return result
