"""Detail of a rollout from a real store: its moves, its steps, and the rates of both versions."""

import pytest

from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.insight.rollouts.rollout_detail import read_rollout_detail
from mainspring.insight.rollouts.rollout_moves import list_rollout_moves
from mainspring.service.actor import Actor, operation_context
from mainspring.service.perform import perform
from mainspring.store.commands.automations import PauseAutomation
from mainspring.store.read.automations.recent_changes import changes_since
from mainspring.store.read.rollouts import find_rollout
from tests import rollout_world
from tests.api_world import announce, sqlite_world
from tests.rollout_world import ALL, HALF

MINUTE_MS = 60_000


@pytest.fixture
def world(tmp_path):
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


def read_detail(world, id, **options):
    """Return the detail of a rollout now."""
    reader, now = world.store.reader, world.clock.now()
    return read_rollout_detail(reader, find_rollout(reader, id), now, "UTC", **options)


def test_moves_and_steps_have_their_instants(world):
    """A pause begins no step; each step has the runs that it assigned."""
    id, at = rollout_world.start(world, steps=(HALF, 750_000, ALL), reason="release"), world.clock.now()
    counts = rollout_world.end_runs(world, 10)
    world.clock.forward(MINUTE_MS)
    for verb in ("pause", "resume", "advance"):
        rollout_world.move(world, verb, actor=Actor("guard", "rollouts"))
        world.clock.forward(MINUTE_MS)
    world.store.apply(PauseAutomation("pay", None, "cli:ann@box", "no move"))
    rollout_world.move(world, "abort", reason="broken")
    detail = read_detail(world, id)
    assert [(move.verb, move.percent, move.state) for move in detail.moves] == [
        ("start", 50, "running"),
        ("pause", 50, "paused"),
        ("resume", 50, "running"),
        ("advance", 75, "running"),
        ("abort", 75, "aborted"),
    ]
    assert (detail.moves[0].actor, detail.moves[0].reason) == ("cli:ann@box", "release")
    advanced_at = at + 3 * MINUTE_MS
    assert [(step.percent, step.started_at, step.ended_at) for step in detail.steps] == [
        (50, at, advanced_at),
        (75, advanced_at, at + 4 * MINUTE_MS),
        (100, None, None),
    ]
    assert (detail.steps[0].old_runs, detail.steps[0].new_runs) == (counts[1], counts[2])
    hidden = read_detail(world, id, with_actors=False).moves
    assert {(move.actor, move.reason) for move in hidden} == {(None, None)}


def test_moves_of_another_rollout_are_not_in_the_detail(world):
    """The automation has both."""
    first = rollout_world.start(world)
    rollout_world.move(world, "abort")
    world.clock.forward(MINUTE_MS)
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="pay", version=3))
    second = rollout_world.start(world, version=4)
    assert [move.verb for move in read_detail(world, first).moves] == ["start", "abort"]
    assert [move.verb for move in read_detail(world, second).moves] == ["start"]
    moves = list_rollout_moves(world.store.reader, "pay", 0)
    assert [move.text for move in moves] == [
        "rollout of version 2: 50 % of the keys",
        "rollout of version 2: aborted",
        "rollout of version 4: 50 % of the keys",
    ]
    since = list_rollout_moves(world.store.reader, "pay", world.clock.now())
    assert [move.rollout for move in since] == [second]
    assert list_rollout_moves(world.store.reader, "backup", 0) == []


def test_moves_are_found_behind_many_other_operations(world):
    """Recent changes search few of the newest operations, and each start of a run can be one of them."""
    rollout_world.start(world)
    for _ in range(1_001):
        act = operation_context(Actor.cli("ann", "box"), world.clock)
        perform(world.store, act, "pause", "automation:pay", PauseAutomation("pay", None, str(act.actor), "many"))
    assert "rollout start" in {operation.verb for operation in changes_since(world.store.reader, 0).operations}
    assert [move.verb for move in list_rollout_moves(world.store.reader, "pay", 0)] == ["start"]


def test_deployment_that_supersedes_a_rollout_is_its_last_move(world):
    """No operation is on record for it."""
    id = rollout_world.start(world)
    world.clock.forward(MINUTE_MS)
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="pay", version=3))
    *_, last = read_detail(world, id).moves
    assert (last.verb, last.at, last.text) == ("supersede", world.clock.now(), "rollout of version 2: superseded")


def test_rates_have_their_intervals_and_the_evidence_of_the_guard(world):
    """Runs of the new version fail, so the guard rolls back."""
    id = rollout_world.start(world)
    counts = rollout_world.end_runs(world, 60, is_failing=lambda version: version == 2)
    world.clock.forward(2 * MINUTE_MS)
    RolloutGuard(world.store).run_once()
    detail = read_detail(world, id)
    assert detail.view.verdict == "worse"
    old, new = detail.sides
    assert (old.assigned, old.failed.share, new.assigned, new.failed.share) == (counts[1], 0.0, counts[2], 1.0)
    assert (old.failed.low, new.failed.high) == (0.0, 1.0)
    assert 0 < old.failed.high < new.failed.low < 1
    failed = detail.metrics[0]
    assert failed.metric == failed.label == "failed"
    assert failed.new.bad == failed.new.runs > 0
    assert failed.e_value >= failed.limit > 1
    *_, last = detail.moves
    assert (last.verb, last.actor, last.state) == ("roll back", "guard:rollouts", "rolled_back")
    assert detail.past_metrics == []


def test_evidence_of_a_step_stays_when_the_next_one_begins(world):
    """With the instants of the steps, which need no audit log."""
    id, at = rollout_world.start(world, steps=(HALF, 750_000, ALL)), world.clock.now()
    counts = rollout_world.end_runs(world, 60)
    world.clock.forward(2 * MINUTE_MS)
    RolloutGuard(world.store).run_once()
    rollout_world.move(world, "advance")
    ended_at = world.clock.now()
    detail = read_detail(world, id)
    assert detail.metrics == []
    failed = detail.past_metrics[0]
    assert (failed.step, failed.metric, failed.old.runs, failed.new.runs) == (1, "failed", counts[1], counts[2])
    assert detail.view.past_steps[0].percent == 50
    assert [(step.started_at, step.ended_at) for step in detail.steps[:2]] == [(at, ended_at), (ended_at, None)]
