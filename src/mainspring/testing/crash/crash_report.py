"""The report of a crash test: for each crash point, whether the run ended as the undisturbed one did."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.states import RunState
from mainspring.testing.crash.crash_point import CrashPoint
from mainspring.testing.crash.crash_protocol import CaseReport, LifeReport
from mainspring.testing.crash.work_effects import WorkEffect

_MOST_DIFFERENCES = 5


class CrashVerdict(StrEnum):
    """How a case ended, compared with the undisturbed run."""

    SAME = "same"
    NEEDS_PERSON = "needs a person"
    DOUBLED = "doubled"
    LOST = "lost"
    DIFFERENT = "different"
    HUNG = "hung"
    NOT_REACHED = "not reached"
    NOT_TESTED = "not tested"


_FIXES = {
    CrashVerdict.DOUBLED: "Give the effect a key that its target knows (ms.idempotency_key()), put it into ms.once(KEY), look whether "
    'it is there, or declare the step with delivery="at_most_once", so that a person is asked.',
    CrashVerdict.LOST: "Something records the effect as done before it is done: do the effect first, or both in one transaction.",
    CrashVerdict.DIFFERENT: "The run depends on something that is not in its journal: pass values through results of steps.",
    CrashVerdict.HUNG: "The run waits for something that the process which died would have done: make it a step, an event or a timer.",
}


class CrashCase(msgspec.Struct, frozen=True):
    """A crash point and its verdict. `differences` = in words, at most five."""

    point: CrashPoint
    verdict: CrashVerdict
    differences: list[str] = []

    @property
    def is_finding(self) -> bool:
        """Whether the automation must be changed."""
        return self.verdict in _FIXES

    @property
    def fix(self) -> str:
        """How it is usually changed; "" for no finding."""
        return _FIXES.get(self.verdict, "")


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """`cases` = in the order of the points. `undisturbed` = the end of the run without a kill.

    `not_cut` = what has no points inside. `void` = why nothing is proved: a control was not found; "" = the controls were found.
    `is_blind` = nothing outside was observed, so only states and results were compared. `noise` = targets that differ without a kill.
    """

    automation: str
    undisturbed: LifeReport
    cases: list[CrashCase] = []
    not_cut: list[str] = []
    noise: list[str] = []
    void: str = ""
    is_blind: bool = False

    @property
    def findings(self) -> list[CrashCase]:
        """The cases for which the automation must be changed."""
        return [case for case in self.cases if case.is_finding]

    @property
    def ok(self) -> bool:
        """Whether the controls were found, at least one case was tested, and there is no finding."""
        tested = [
            case for case in self.cases if case.verdict not in (CrashVerdict.NOT_REACHED, CrashVerdict.NOT_TESTED)
        ]
        return not self.void and bool(tested) and not self.findings

    def __str__(self) -> str:
        counts = Counter(case.verdict for case in self.cases)
        summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in CrashVerdict if counts[verdict])
        lines = [f"{self.automation}: killed at {len(self.cases)} crash points: {summary or 'none'}"]
        if self.void:
            lines.append(f"  This report is void: {self.void}")
        lines += [
            f"  without a kill, a run of {run.automation} is {run.state} with {run.result}"
            for run in self.undisturbed.runs
            if run.state != RunState.SUCCEEDED
        ]
        for verdict in (*_FIXES, CrashVerdict.NOT_REACHED):
            cases = [case for case in self.cases if case.verdict is verdict]
            for case in cases:
                lines.append(f"  {case.verdict}: {case.point.text}")
                lines += [f"    {difference}" for difference in case.differences]
            if cases and verdict in _FIXES:
                lines.append(f"    Fix: {_FIXES[verdict]}")
        if self.is_blind:
            lines.append("  Nothing outside was observed: only states and results were compared.")
        lines += [f"  not cut: {text}" for text in self.not_cut]
        lines += [f"  differs without a kill, ignored: {text}" for text in self.noise]
        return "\n".join(lines)


class Expectation:
    """The end of the undisturbed lives. `noise` = targets of effects that differ between them."""

    def __init__(self, first: CaseReport, second: CaseReport) -> None:
        self._first = first.last
        self._has_equal_runs = first.last.runs == second.last.runs
        self.noise = sorted({effect.target for effect in _differ(first.effects, second.effects)})
        self._effects = Counter(effect for effect in first.effects if effect.target not in self.noise)
        self._questions = Counter(first.last.questions)

    @property
    def has_effects(self) -> bool:
        """Whether anything was observed outside."""
        return bool(self._effects)

    def evaluate(self, point: CrashPoint, case: CaseReport) -> CrashCase:
        """Return the verdict on a case."""
        last = case.last
        if case.first is None or case.first.end != "killed":
            reason = case.last.detail or "the run has passed by without this point"
            return CrashCase(point, CrashVerdict.NOT_REACHED, [reason])
        doubled, lost, different = self._compare_effects(case.effects)
        needs_person = _count_waiting(last) > _count_waiting(self._first) or bool(
            Counter(last.questions) - self._questions
        )
        differences = doubled + lost + different
        if doubled:
            return CrashCase(point, CrashVerdict.DOUBLED, differences[:_MOST_DIFFERENCES])
        if needs_person and not different:
            return CrashCase(point, CrashVerdict.NEEDS_PERSON, last.questions)
        if last.end != self._first.end:
            verdict = CrashVerdict.HUNG if last.end == "hung" else CrashVerdict.DIFFERENT
            return CrashCase(point, verdict, [*last.detail.splitlines()[-_MOST_DIFFERENCES:], *differences])
        different += self._compare_runs(last)
        if lost and not different:
            return CrashCase(point, CrashVerdict.LOST, lost[:_MOST_DIFFERENCES])
        if different:
            return CrashCase(point, CrashVerdict.DIFFERENT, (lost + different)[:_MOST_DIFFERENCES])
        return CrashCase(point, CrashVerdict.SAME if last.commits else CrashVerdict.NOT_TESTED)

    def _compare_effects(self, effects: Sequence[WorkEffect]) -> tuple[list[str], list[str], list[str]]:
        actual = Counter(effect for effect in effects if effect.target not in self.noise)
        doubled, different = [], []
        for effect, count in (actual - self._effects).items():
            expected = self._effects[effect]
            place = f"{effect.target}: {effect.content}" if effect.content else effect.target
            if expected:
                doubled.append(f"{place} is there {expected + count} times, and not {expected} times")
            else:
                different.append(f"{place} is there, and is not without a kill")
        lost = [
            f"{effect.target}: {effect.content} is missing" if effect.content else f"{effect.target} is missing"
            for effect in self._effects - actual
        ]
        return doubled, lost, different

    def _compare_runs(self, last: LifeReport) -> list[str]:
        if not self._has_equal_runs:
            states = [(run.automation, run.state) for run in self._first.runs]
            return (
                [] if [(run.automation, run.state) for run in last.runs] == states else ["the runs end in other states"]
            )
        return [
            f"a run of {run.automation} is {run.state} with {run.result}, and no run is without a kill"
            for run in Counter(last.runs) - Counter(self._first.runs)
        ] + [
            f"no run of {run.automation} is {run.state} with {run.result}"
            for run in Counter(self._first.runs) - Counter(last.runs)
        ]


def _differ(first: Sequence[WorkEffect], second: Sequence[WorkEffect]) -> list[WorkEffect]:
    return [*(Counter(first) - Counter(second)), *(Counter(second) - Counter(first))]


def _count_waiting(life: LifeReport) -> int:
    return sum(run.state == RunState.NEEDS_ATTENTION for run in life.runs)
