"""What a script starts never outlives the takeover of its run, not even if its worker died before it could write anything down."""

import os
import time
from collections.abc import Iterator

import pytest

from mainspring.domain.states import RunState
from tests.crash.bench import Bench
from tests.crash.experiments import World
from tests.crash.scenarios import living_in


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    made = Bench(world)
    yield made
    made.close()


def test_script_of_a_worker_that_could_not_write_leaves_no_process(bench: Bench) -> None:
    """The worker is killed while its script's group is not yet on record: the script has not begun, and nothing of it is left."""
    run = bench.client.start("script_with_children")
    worker = bench.work(freeze_groups=True)
    marks = bench.folder / "script.txt"
    bench.until(lambda: (bench.folder / "frozen").exists())
    until = time.monotonic() + 0.3
    while time.monotonic() < until and not marks.exists():
        os.sched_yield()
    started = marks.read_text().split() if marks.exists() else []
    worker.kill()
    assert started == [], "it began before its group was known"
    bench.work()
    bench.until(lambda: bench.client.view(run).state is RunState.SUCCEEDED)
    groups = {line.split()[1] for line in marks.read_text().splitlines()}
    assert len(groups) == 1
    assert [pid for group in groups for pid in living_in(int(group))] == []
