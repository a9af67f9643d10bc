"""Runs that fail in a PageWorld, grouped as a watcher groups them."""

from mainspring.alerting.inputs.failure_groups import group_failures
from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.read.incidents import ungrouped_failures
from tests.api_world import BACKUP
from tests.contract.store.process import finish, halt
from tests.unit.web.dashboard.run_world import claimed

DENIED = Failure("ClientError", "denied", "403 AccessDenied", frames=["/srv/pay.py:12 charge"])
HOSTILE = Failure("KeyError", "bug", "<script>alert(1)</script>", frames=["/srv/<b>.py:1 <i>"])


def fall(world, number=1, failure=DENIED):
    """Let runs of `pay` fail; return their ids."""
    runs = [claimed(world) for _ in range(number)]
    for run in runs:
        world.store.apply(finish(run, RunState.FAILED, failure=failure))
    return [run.id for run in runs]


def fall_of_backup(world, number=1):
    """Let runs of `backup` need a person; return their ids."""
    runs = [claimed(world, BACKUP, b"{}") for _ in range(number)]
    for run in runs:
        world.store.apply(halt(run))
    return [run.id for run in runs]


def group(world):
    """Group what failed, as a watcher does."""
    found = group_failures(ungrouped_failures(world.store.reader), lambda text: text)
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), groups=found.groups))


def fingerprint_of(world):
    """Return the fingerprint of the only error there is."""
    (row,) = world.store.reader.read_text("select distinct fingerprint from error_groups")
    return row[0]
