"""The worker is killed at every commit point of each workflow.

Nothing is lost, nothing is done twice, and each run ends as if nothing had been.
"""

import os
import random
import time
from dataclasses import replace

import pytest

from tests.crash.campaign import Campaign
from tests.crash.experiments import Experiment, Scenario, World
from tests.crash.lives import Life
from tests.crash.processes import Process
from tests.crash.scenarios import ALL, SCENARIOS, SURROUNDED, UNLOADED

MINUTES = float(os.environ.get("TESTS_CRASH_MINUTES", "inf"))
"""Second kills of a workflow stop after this time."""


def name_of(scenario: Scenario) -> str:
    """Return what a test is called by."""
    variant = "" if scenario.max_suspended else "-unloaded"
    return f"{scenario.automation}{variant}{'-surrounded' * scenario.is_surrounded}"


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [*SCENARIOS, *UNLOADED, *SURROUNDED], ids=name_of)
@pytest.mark.timeout(0 if ALL else 300)
def test_commit_points_of(world: World, scenario: Scenario, record_property) -> None:
    """Killed before and after the N-th commit, for every N, a run ends as it does undisturbed."""
    campaign = Campaign(world, scenario)
    campaign.wage()
    record_property("points", len(campaign.kills))
    assert campaign.left_out() == [], "no process was killed there"
    assert campaign.unstruck() == [], "no kill fell on these changes"
    share = 8 if campaign.is_thin else 1
    assert len(campaign.kills) >= scenario.minimum * world.stores.fullness // share, "so few commits prove too little"
    kills = len(campaign.kills)
    if ALL:
        kills += _kill_twice(world, scenario, sorted(campaign.kills))
    print(f"{name_of(scenario)}: {campaign.shortest} to {campaign.commits} commits, {kills} kills")


def _kill_twice(world: World, scenario: Scenario, points: list[str]) -> int:
    """Kill the worker that continues after a first kill, everywhere too; return the number of those second kills."""
    until, kills = time.monotonic() + MINUTES * 60, 0
    random.shuffle(points)
    for first in points:
        if time.monotonic() > until:
            break
        again = Campaign(world, scenario, (first,))
        again.wage()
        kills += len(again.kills)
    return kills


# -- acts of programs outside ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["commit.before", "commit.after"])
@pytest.mark.parametrize("act", ["start", "throttle", "debounce", "publish", "answer", "fork"])
def test_operation_of_a_killed_program_happens_once(world: World, act: str, place: str) -> None:
    """A program is killed while it does one operation, and does it again under its command id: it has done it once.

    A limit of starts has no commit but that of the start: a start that counted twice would leave no room for the second one, and one
    that did not count would let a third one in.
    """
    automation = {
        "start": "plain_sequence",
        "throttle": "throttled_task",
        "debounce": "settled_page",
        "publish": "sleep_and_event",
        "answer": "ask_and_answer",
        "fork": "forked_run",
    }[act]
    scenario = next(scenario for scenario in SCENARIOS if scenario.automation == automation)
    killed: list[Process] = []

    def operate_and_die(experiment: Experiment) -> None:
        program = Life(
            folder=str(experiment.folder),
            store=experiment.url,
            experiment=experiment.folder.name,
            effects=world.effects.path,
            number=9,
            failpoint=f"{place}:kill@1",
            act={
                "debounce": f"start {automation} two",
                "publish": "publish paid",
                "answer": f"answer {experiment.run}",
                "fork": f"fork {experiment.run} keyed#3",
            }.get(act, f"start {automation}"),
        )
        killed.append(world.template.start(program))
        assert killed[0].ended(10)
        assert killed[0].code == -9, program.log.read_text()

    def deliver(experiment: Experiment) -> bool:
        if killed:
            return scenario.deliver(experiment)
        kind = {"publish": "event", "answer": "ask"}.get(act)
        if kind is not None and not experiment.client.rows("select 1 from waits where kind = ? and filled = 0", kind):
            return False
        if act == "fork" and experiment.client.view(experiment.run).finished_at is None:
            return False
        operate_and_die(experiment)
        return scenario.deliver(experiment)

    def verify(experiment: Experiment) -> None:
        assert len(killed) == 1
        scenario.verify(experiment)
        if act == "debounce":  # the first run may have begun before the program died
            assert experiment.client.rows("select count(*) from audit_log where command like 'newer%'") == [(1,)]
            return
        assert experiment.client.rows("select count(*) from runs") == [(2 if act in ("fork", "throttle") else 1,)]
        assert experiment.client.rows("select count(*) from events") == [(1 if act == "publish" else 0,)]
        command = "start" if act == "throttle" else act
        assert experiment.client.rows("select count(*) from audit_log where command like ?", f"{command}%") == [(1,)]

    if act in ("start", "throttle"):
        Experiment(world, replace(scenario, verify=verify), [], before=operate_and_die).go()
    else:
        Experiment(world, replace(scenario, verify=verify, deliver=deliver), []).go()
