"""The search of a crash test: live undisturbed, find the points, prove the controls, then be killed at each point."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from msgspec.structs import replace

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError
from mainspring.testing.crash import control_workflow
from mainspring.testing.crash.crash_point import AFTER_RETURN, CrashPoint
from mainspring.testing.crash.crash_protocol import CaseOrder, CaseReport, CrashPlan, LifeReport
from mainspring.testing.crash.crash_report import CrashCase, CrashReport, CrashVerdict, Expectation
from mainspring.testing.crash.host_session import CrashTestError, HostSession

_CONTROL_POINT = CrashPoint(control_workflow.NAME, "append_line#1", 1, AFTER_RETURN, 1)

_MOST_EXAMPLES = 20

OnCase = Callable[[int, int], object]


def _ignore_case(_done: int, _count: int) -> None:
    """Report nothing."""


def search_crash_points(
    plan: CrashPlan, *, jobs: int = 1, most: int | None = None, at: str | None = None, on_case: OnCase = _ignore_case
) -> CrashReport:
    """Return the report of a crash test.

    `jobs` = processes that work at the same time. `most` = at most so many points, chosen by the seed of the plan. `at` = only points whose
    text contains this. `on_case` is called after each case with how many are over, and with their number.

    Raises:
        CrashTestError: the code cannot be loaded or forked, or the undisturbed run does not end.
        OptionError: no point contains `at`, or the plan's `within` is no span of time.
    """
    parse_duration(plan.within)
    with ExitStack() as stack:
        host = stack.enter_context(HostSession(plan))
        first = host.live(CaseOrder())
        _require_end(plan, first)
        second = host.live(CaseOrder())
        expectation = Expectation(first, second)
        points = _choose(first.last.points, plan.seed, most, at)
        void = _prove_controls(host, first.last)
        hosts: SimpleQueue[HostSession] = SimpleQueue()
        hosts.put(host)
        for _ in range(min(jobs, len(points)) - 1):
            hosts.put(stack.enter_context(HostSession(plan)))

        def live(point: CrashPoint) -> CrashCase:
            own = hosts.get()
            try:
                return expectation.evaluate(point, own.live(CaseOrder(point)))
            finally:
                hosts.put(own)

        cases = []
        with ThreadPoolExecutor(max(1, jobs)) as threads:
            for case in threads.map(live, points):
                cases.append(case)
                on_case(len(cases), len(points))
    return CrashReport(
        automation=plan.automation,
        undisturbed=replace(first.last, points=[]),
        cases=cases,
        not_cut=[f"code of step {name} in its child process" for name in first.last.isolated],
        noise=expectation.noise,
        void=void,
        is_blind=not expectation.has_effects,
    )


def _require_end(plan: CrashPlan, first: CaseReport) -> None:
    life = first.last
    if life.end == "ended":
        return
    if life.end == "hung":
        raise CrashTestError(
            f"without a kill, the run of {plan.automation!r} does not end\n{life.detail}",
            hint="Answer and signal in a function play(lab, run); put fakes in the place of slow steps in a function setup(lab).",
        )
    raise CrashTestError(
        f"without a kill, the test of {plan.automation!r} fails\n{life.detail}",
        hint="Let the run end in a lab first: mainspring.testing.Lab.",
    )


def _choose(points: Sequence[CrashPoint], seed: int, most: int | None, at: str | None) -> list[CrashPoint]:
    chosen = list(points) if at is None else _find_points(at, points)
    if most is not None and most < len(chosen):
        chosen_positions = set(random.Random(seed).sample(range(len(chosen)), most))
        chosen = [point for position, point in enumerate(chosen) if position in chosen_positions]
    return chosen


def _find_points(text: str, points: Sequence[CrashPoint]) -> list[CrashPoint]:
    """Return the points of this text, else those that contain it. Raises OptionError: none does."""
    chosen = [point for point in points if point.text == text] or [point for point in points if text in point.text]
    if not chosen:
        examples = "\n".join(f"  {point.text}" for point in points[:_MOST_EXAMPLES])
        raise OptionError(f"no crash point has {text!r}", hint=f"Crash points of this run:\n{examples}")
    return chosen


def _prove_controls(host: HostSession, life: LifeReport) -> str:
    """Return which control was not found; "" = all were."""
    undisturbed = host.live(CaseOrder(is_control=True))
    control = host.live(CaseOrder(_CONTROL_POINT, is_control=True))
    case = Expectation(undisturbed, undisturbed).evaluate(_CONTROL_POINT, control)
    if case.verdict is not CrashVerdict.DOUBLED:
        return f"the known double of the control workflow was not found: {case.verdict}"
    # At its last point with its journal deleted, the run begins again: else the second life does not use the journal.
    last = life.points[-1]
    continued, restarted = host.live(CaseOrder(last)), host.live(CaseOrder(last, forgets=True))
    if restarted.last.commits <= continued.last.commits:
        return (
            f"with its journal deleted, the second life made {restarted.last.commits} changes, and with it "
            f"{continued.last.commits}: it does not continue what the first one left"
        )
    return ""
