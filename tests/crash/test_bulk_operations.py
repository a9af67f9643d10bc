"""Anyone who does a bulk act is killed around its commits; others continue with it, and each run is acted upon once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.clock import SystemClock
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState, RunState
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.service import bulk_operation
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_selection import RunFilter, select_runs
from mainspring.service.runs.run_start import start
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.read.bulk_operations import read_bulk_operation
from mainspring.store.read.operation_reads import OperationReads
from tests.contract.store.process import fail
from tests.crash.effects import ROOT
from tests.crash.experiments import World
from tests.crash.scenarios import ALL
from tests.crash.stores import open_store

pytestmark = pytest.mark.timeout(0 if ALL else 120)
LIFE = """
import sys
from mainspring.domain.clock import SystemClock
from mainspring.service import bulk_operation
from mainspring.store import failpoints
from tests.crash.stores import open_store

bulk_operation.LEASE_MS = 1  # else each death would be waited for
store = open_store(sys.argv[1], SystemClock())
store.open()
failpoints.install(failpoints.parse(sys.argv[2]))
while bulk_operation.run_next_piece(store):
    pass
store.close()
"""
KILLS = [f"commit.{side}:kill@{n}" for n in range(1, 9) for side in ("before", "after")]
SOME = ["commit.after:kill@2", "commit.before:kill@3"]
RUNS = 60


def declared() -> Registry:
    with Registry() as registry:

        @ms.task
        def each() -> None: ...

    return registry


def live(url: str, order: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", LIFE, url, order], cwd=ROOT, env={**os.environ}, check=False
    ).returncode


def fail_all(store, number: Counter[str]) -> None:
    """Let what is queued fail, so that anyone who acted upon a run twice would be seen; count how often each was begun."""
    while runs := store.apply(ClaimRuns(f"claim.{store.clock.now()}.{store.clock.random_bits(40)}", 100)).runs:
        for run in runs:
            number[run.id] += 1
            store.apply(fail(run))


def test_bulk_operation_is_done_once_despite_kills(world: World) -> None:
    """Killed before and after commits of pieces, of the acts in them and of what is noted, and each run continues once."""
    folder: Path = world.fresh()
    url = world.urls[folder.name]
    store = open_store(url, SystemClock())
    store.open()
    store.open_session("worker")
    registry = declared()
    store.apply(build_announcement(registry, store.clock.now()))
    act = operation_context(Actor.cli("ann", "box"), store.clock, command="all")
    definition = registry.get("each").definition
    ids = [start(store, store.clock, definition, b"{}", act=act.part(str(n))).run for n in range(RUNS)]
    started: Counter[str] = Counter()
    fail_all(store, started)
    chosen = select_runs(OperationReads(store.reader), RunFilter(states=(RunState.FAILED,)))
    bulk_operation.start_bulk_operation(store, BulkVerb.RETRY, chosen, {}, act=act, rate=None)
    deaths = []
    for order in KILLS if ALL else SOME:
        deaths.append(live(url, order))
        fail_all(store, started)
    assert deaths.count(-signal.SIGKILL) >= len(SOME), deaths
    assert live(url, "") == 0
    fail_all(store, started)
    view = read_bulk_operation(store.reader, "all")
    assert view is not None
    assert (view.state, view.done, view.refused) == (BulkState.DONE, RUNS, 0)
    assert started == dict.fromkeys(ids, 2)
    store.close()
    assert world.stores.check(folder) == []
    world.drop(folder)
