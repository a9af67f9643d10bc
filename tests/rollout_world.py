"""Rollouts on the world of the API or of the pages: two versions of `pay`, a rollout, and runs that count."""

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.states import RolloutMove, RunState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.rollout import RolloutPlan, move_rollout, start_rollout
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from tests.api_world import BACKUP, PAY

HALF, ALL = 500_000, 1_000_000
HOSTILE = "<script>alert(1)</script>"


def announce_candidates(world, *names, version=2):
    """Announce `pay`, `backup` and automations of these names, and a candidate of each of these names."""
    more = [Definition(kind=DefinitionKind.TASK, name=name) for name in names if name not in ("pay", "backup")]
    rows = [
        AutomationRow(definition.name, definition.kind, 1, "f", msgspec.json.encode(definition.to_data()))
        for definition in (PAY, BACKUP, *more)
    ]
    rows += [
        msgspec.structs.replace(row, version=version, fingerprint="f2", is_candidate=True)
        for row in rows
        if row.name in names
    ]
    world.store.apply(AnnounceDefinitions("code", tuple(rows), ()))


def start(world, name="pay", *, steps=(HALF, ALL), in_flight=InFlightPolicy.FINISH, reason=None, version=2):
    """Announce a candidate of an automation, start its rollout, and return the id of the rollout."""
    announce_candidates(world, name, version=version)
    plan = RolloutPlan(steps, hold_ms=1_800_000, in_flight=in_flight, age_ms=60_000)
    act = operation_context(Actor.cli("ann", "box"), world.clock, reason=reason)
    return start_rollout(world.store, world.store.reader, name, version, plan, act=act).rollout


def move(world, move, name="pay", *, actor=None, reason=None):
    """Move the rollout of an automation."""
    act = operation_context(actor or Actor.cli("ann", "box"), world.clock, reason=reason)
    return move_rollout(world.store, name, RolloutMove(move), act=act)


def end_runs(world, number, *, is_failing=lambda version: False):
    """Start and end runs of `pay`, and return how many got each version."""
    counts = {1: 0, 2: 0}
    for _ in range(number):
        world.begin()
        (run,) = world.store.apply(ClaimRuns(f"c.{world.clock.random_bits(40)}", 1)).runs
        state = RunState.FAILED if is_failing(run.version) else RunState.SUCCEEDED
        world.store.apply(FinishRun(run.id, run.claim, state, 0))
        counts[run.version] += 1
    return counts
