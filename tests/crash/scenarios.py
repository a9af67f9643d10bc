"""The workflows as scenarios: what is delivered to each, how it ends, and what else must be true then."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import apsw

from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.values.codec import decode
from tests.crash.effects import Call
from tests.crash.trials import Scenario, Trial, World

ALL = os.environ.get("TESTS_LONG") == "1"
"""The long tier: after each kill a second one at every point of the recovery."""


def publish(trial: Trial) -> bool:
    """Deliver the event at once in every other trial, else when it is waited for."""
    if trial.number % 2 or trial.client.rows("select 1 from waits where kind = 'event'"):
        trial.client.publish("paid", {"id": 7, "amount": 12})
        return True
    return False


def answer(trial: Trial) -> bool:
    """Answer as soon as the question is open."""
    return trial.client.answer(trial.run, "yes")


def cancel(trial: Trial) -> bool:
    """Cancel the run as soon as it needs a person."""
    if trial.client.view(trial.run).state is not RunState.NEEDS_ATTENTION:
        return False
    trial.client.cancel(trial.run)
    return True


# -- what else must be true at the end of a workflow -------------------------------------------------------------------


def saved(trial: Trial, state: OutcomeState = OutcomeState.SUCCEEDED) -> list[str]:
    """Return the identities of the run's counted outcomes in this state, in rank order."""
    text = "select ident from journal where run = ? and state = ? and superseded is null order by rank"
    return [ident for (ident,) in trial.client.rows(text, trial.run, state)]


def calls_of(trial: Trial, what: str) -> list[Call]:
    """Return the calls that asked for one effect."""
    return [call for call in trial.calls() if call.what == what]


def verify_race(trial: Trial) -> None:
    """The racer whose outcome was saved first is the winner, whoever replays it."""
    result = decode(trial.client.view(trial.run).result or b"null")
    first = next(ident for ident in saved(trial) if "left" in ident or "right" in ident or "keyed" in ident)
    assert result[1:] == ["beside", "aside"]
    assert result[0] in ("prize for left", "prize for right")
    prizes = {call.what for call in trial.calls() if call.what.startswith("prize")}
    assert prizes == {result[0]}, f"two winners: {prizes} ({first} was saved first)"


def verify_group(trial: Trial) -> None:
    """The failed member is saved as failed, the cancelled one never as done."""
    assert not calls_of(trial, "cancelled member") or not any("endless" in ident for ident in saved(trial))


def verify_child(trial: Trial) -> None:
    """There is one child, however often it was asked for, and its key leads to it."""
    children = trial.client.rows("select id, state from runs where parent = ?", trial.run)
    assert [state for _, state in children] == [RunState.SUCCEEDED]
    assert trial.client.rows("select run from run_keys where key = 'ship:7'") == [(children[0][0],)]


def verify_rollback(trial: Trial) -> None:
    """Each undo happened, newest first."""
    undone = [call.what for call in trial.calls() if call.what.startswith("undo") and call.applied]
    assert undone == ["undo three", "undo two", "undo one"]
    assert trial.client.view(trial.run).reason == FailureReason.ROLLED_BACK


def verify_taken_back(trial: Trial) -> None:
    """Each undo happened, newest first, that of the step in doubt too; whoever died in the middle."""
    undone = [call.what for call in trial.calls() if call.what.startswith("undo") and call.applied]
    assert undone == ["undo three", "undo two", "undo one"]
    assert trial.client.view(trial.run).undoing


def verify_once(trial: Trial) -> None:
    """The bet was placed at most once; if nobody can know, a person is asked."""
    bets, view = calls_of(trial, "bet"), trial.client.view(trial.run)
    assert len(bets) <= 1
    if view.state is RunState.SUCCEEDED:
        assert len(bets) == 1
    else:
        assert view.reason == FailureReason.IN_DOUBT
        assert len(trial.lives) > 1, "in doubt, although no worker died"


def verify_transactional(trial: Trial) -> None:
    """Each booking stands once in the user's database."""
    own = apsw.Connection(str(trial.folder / "own.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert own.execute("select what from bookings order by id").fetchall() == [("room",), ("flight",)]
    finally:
        own.close()


def verify_parts(trial: Trial) -> None:
    """What lies before a committed checkpoint is never done again."""
    for number, snapshot in enumerate(trial.snapshots, 1):
        done = next(iter(snapshot.checkpoints.values()), 0)
        late = [call.what for call in trial.calls() if call.life > number and call.kind == "part"]
        assert not [what for what in late if int(what.removeprefix("part ")) < done], (done, late)


def verify_script(trial: Trial) -> None:
    """A life of the script ends, with all its children, before the next one begins."""
    marks = [line.split() for line in (trial.folder / "script.txt").read_text().splitlines()]
    groups = list(dict.fromkeys(group for _, group in marks))
    assert [group for _, group in marks] == sorted((group for _, group in marks), key=groups.index), marks
    assert [what for what, group in marks if group == groups[-1]] == ["begin", "work", "end"]
    assert [group for group in groups if living_in(int(group))] == []


def living_in(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def verify_retry(trial: Trial) -> None:
    """A refusal that was saved is obeyed: nobody comes back before the instant that is saved with it."""
    for attempt, next_at in trial.client.rows("select attempt, next_at from attempts where next_at is not null"):
        early = [c for c in calls_of(trial, "rush") if c.attempt > attempt and c.at * 1000 < next_at - 1]
        assert early == [], (attempt, next_at)


def verify_alone(trial: Trial) -> None:
    """One outcome and one effect, whoever ended the run."""
    assert saved(trial) == ["one_task#1"]
    assert [call.what for call in trial.calls() if call.applied] == ["alone"]


SCENARIOS = [
    Scenario("one_task", result="alone", verify=verify_alone, floor=8),
    Scenario("plain_sequence", result=["first", "first second", "first second third"], floor=16),
    Scenario("gather_with_race", verify=verify_race, floor=14),
    Scenario("group_with_error", result="amends", verify=verify_group, floor=12),
    Scenario("step_with_timeout", result="in its place", floor=12),
    Scenario("map_with_bad_items", result=[f"bad {n}" if n in (7, 31) else n for n in range(50)], floor=20),
    Scenario("child_with_key", result="after parcel 7", verify=verify_child, floor=20),
    Scenario("sleep_and_event", result="paid 12", deliver=publish, floor=18),
    Scenario("ask_and_answer", result="they said yes", deliver=answer, floor=16),
    Scenario("taken_back", state=RunState.CANCELLED, deliver=cancel, verify=verify_taken_back, floor=18),
    Scenario("rollback", state=RunState.FAILED, verify=verify_rollback, floor=20),
    Scenario(
        "at_most_once",
        result="after the bet",
        other_ends=(RunState.NEEDS_ATTENTION,),
        verify=verify_once,
        floor=16,
    ),
    Scenario(
        "transactional",
        result=[1, 2],
        verify=verify_transactional,
        places=("commit.before", "commit.after", "effect_commit.before", "effect_commit.after"),
        floor=20,
    ),
    Scenario("child_process", result=4, verify=verify_parts, floor=16),
    Scenario("script_with_children", verify=verify_script, floor=10),
    Scenario("retry_after", result="rush", verify=verify_retry, floor=16),
]
UNLOADED = [
    replace(scenario, parked=0)
    for scenario in SCENARIOS
    if scenario.automation in ("sleep_and_event", "ask_and_answer")
]


def carry(world: World, scenario: Scenario, kills: list[str]) -> Trial:
    """Carry one run to its end."""
    trial = Trial(world, scenario, kills)
    trial.go()
    return trial
