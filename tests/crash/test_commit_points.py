"""The worker is killed at every commit point of each workflow.

Nothing is lost, nothing is done twice, and each run ends as if nothing had been.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.crash.lives import Life
from tests.crash.processes import Process
from tests.crash.scenarios import ALL, BUDGET, SCENARIOS, UNLOADED, carry
from tests.crash.trials import Scenario, Trial, World

_MOST = 1_000


def name_of(scenario: Scenario) -> str:
    """Return what a test is called by."""
    return scenario.automation if scenario.parked else f"{scenario.automation}-unloaded"


def points(commits: int, places: tuple[str, ...]) -> Iterator[str]:
    """Yield the points of a run: those that an undisturbed one passes, mixed, so that a slow machine sees all parts; then the rest."""
    known = [f"{place}:kill@{n}" for n in range(1, commits + 1) for place in places]
    random.Random(commits).shuffle(known)
    yield from known
    for n in range(commits + 1, _MOST):
        yield from (f"{place}:kill@{n}" for place in places)


def kill_at_each(world: World, scenario: Scenario, before: list[str], commits: int, until: float) -> tuple[int, bool]:
    """Kill at every point after the kills `before`; return how many there were, and whether the end of the run was reached."""
    killed = 0
    survived: set[str] = set()
    for order in points(commits, scenario.places):
        if time.monotonic() >= until:
            return killed, False
        trial = carry(world, scenario, [*before, order])
        if not trial.survived:
            killed += 1
        elif int(order.partition("@")[2]) > commits:
            survived.add(order.partition(":")[0])
            if len(survived) == len(scenario.places):
                break
    return killed, True


@pytest.mark.parametrize("scenario", [*SCENARIOS, *UNLOADED], ids=name_of)
@pytest.mark.timeout(0 if ALL else 120)
def test_commit_points_of(world: World, scenario: Scenario, record_property) -> None:
    """Killed before and after the N-th commit, for every N, a run ends as it does undisturbed."""
    began = time.monotonic()
    commits = carry(world, scenario, []).commits
    until = float("inf") if ALL else began + BUDGET
    killed, complete = kill_at_each(world, scenario, [], commits, until)
    if ALL:
        for first in points(commits, scenario.places):
            if int(first.partition("@")[2]) > commits:
                break
            killed += kill_at_each(world, scenario, [first], commits, until)[0]
    took = time.monotonic() - began
    record_property("points", killed)
    print(f"{name_of(scenario)}: {commits} commits, {killed} kills{'' if complete else ' (time is up)'}, {took:.1f} s")
    assert killed >= scenario.floor, f"only {killed} kills: this proves too little"


# -- acts of programs outside ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["commit.before", "commit.after"])
@pytest.mark.parametrize("act", ["start", "publish", "answer"])
def test_act_of_a_killed_program_happens_once(world: World, act: str, place: str) -> None:
    """A program that is killed while it starts, publishes or answers, and does it again under its command id, has done it once."""
    automation = {"start": "plain_sequence", "publish": "sleep_and_event", "answer": "ask_and_answer"}[act]
    scenario = next(scenario for scenario in SCENARIOS if scenario.automation == automation)
    killed: list[Process] = []

    def act_and_die(trial: Trial) -> bool:
        kind = {"publish": "event", "answer": "ask"}.get(act)
        if kind is not None and not trial.client.rows("select 1 from waits where kind = ? and filled = 0", kind):
            return False
        order = {"start": "start plain_sequence", "publish": "publish paid", "answer": f"answer {trial.run}"}[act]
        program = Life(
            folder=str(trial.folder),
            trial=trial.folder.name,
            effects=world.effects.path,
            number=9,
            failpoint=f"{place}:kill@1",
            act=order,
        )
        killed.append(world.template.start(program))
        assert killed[0].ended(10)
        assert killed[0].code == -9, program.log.read_text()
        return scenario.deliver(trial)

    def verify(trial: Trial) -> None:
        assert len(killed) == 1
        assert trial.client.rows("select count(*) from runs") == [(1,)]
        assert trial.client.rows("select count(*) from events") == [(1 if act == "publish" else 0,)]
        assert trial.client.rows("select count(*) from audit_log where command like ?", f"{act}%") == [(1,)]
        scenario.verify(trial)

    if act == "start":
        Trial(world, replace(scenario, verify=verify), [], before=act_and_die).go()
    else:
        Trial(world, replace(scenario, verify=verify, deliver=act_and_die), []).go()
