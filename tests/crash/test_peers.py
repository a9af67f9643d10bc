"""What users of other systems suffered from when processes died or stores went away, as tests by name."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.states import RunState
from mainspring.service.runs import run_start
from tests.crash.bench import Bench
from tests.crash.experiments import Experiment, Scenario, World
from tests.crash.lives import Life
from tests.crash.scenarios import SCENARIOS
from tests.crash.supervised import Supervised

DAY_MS = 86_400_000


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    made = Bench(world)
    yield made
    made.close()


@pytest.fixture
def supervised(world: World) -> Iterator[Supervised]:
    made = Supervised(world)
    yield made
    made.close()


def scenario_of(automation: str) -> Scenario:
    """Return a scenario by name."""
    return next(scenario for scenario in SCENARIOS if scenario.automation == automation)


@pytest.mark.slow
def test_peer_prefect_16746_killed_worker_frees_its_slot(supervised: Supervised) -> None:
    """A worker that is killed with a queue's only slot in its hand keeps it from no one: both runs end in seconds."""
    for n in (1, 2):
        supervised.client.start("lengthy", b'{"n":%d}' % n, f"lengthy-{n}")
    supervised.start(hold=f"{supervised.name}-gate")
    supervised.until(supervised.called)
    assert supervised.calls() == ["lengthy 1"], "the queue lets one run at a time"
    (worker,) = supervised.workers()
    supervised.kill(worker)
    supervised.effects.release(f"{supervised.name}-gate")
    supervised.until(lambda: not supervised.unfinished())
    assert supervised.states() == {("lengthy", RunState.SUCCEEDED): 2}
    assert Counter(supervised.calls()) == {"lengthy 1": 2, "lengthy 2": 1}
    assert supervised.doubled() == []
    assert supervised.stop() == 0


@pytest.mark.parametrize("first_busy", range(1, 7))
def test_peer_dbos_716_store_that_becomes_unreachable_during_recovery_strands_nothing(
    world: World, first_busy: int
) -> None:
    """The store refuses four commits in a row, from any point of the recovery on; the run continues all the same, in the same process."""

    @dataclass
    class Recovery(Experiment):
        def life(self, number: int, order: str) -> Life:
            made = super().life(number, order)
            made.busy = (first_busy, first_busy + 3) if number == 2 else (0, 0)
            return made

    experiment = Recovery(world, scenario_of("plain_sequence"), ["commit.after:kill@5"])
    experiment.go()
    assert len(experiment.lives) == 2


def test_peer_procrastinate_1518_worker_killed_while_it_takes_over_strands_nothing(world: World) -> None:
    """Each of five workers in a row is killed while it takes over from the one before; the sixth ends the run."""
    kills = ["commit.after:kill@5", *(f"commit.{place}:kill@{n}" for n in (3, 4) for place in ("before", "after"))]
    experiment = Experiment(world, scenario_of("plain_sequence"), kills)
    experiment.go()
    assert len(experiment.lives) == 6


def test_peer_hexpm_1825_long_step_is_not_rescued_by_time(bench: Bench) -> None:
    """A step that continues for a day by another worker's clock is left alone by it, however often that one looks for the dead."""
    run = bench.client.start("plain_sequence")
    bench.work(hold=f"{bench.folder.name}-gate", beat_fast=True)
    bench.until(lambda: bench.calls()["first"] == 1)
    other = bench.work(beat_fast=True, ahead_ms=DAY_MS)
    bench.until(lambda: other.passed() >= 40)
    assert bench.calls() == {"first": 1}
    assert bench.client.rows("select distinct state from sessions where role = 'worker'") == [("alive",)]
    bench.world.effects.release(f"{bench.folder.name}-gate")
    bench.until(lambda: bench.client.view(run).state is RunState.SUCCEEDED)
    assert set(bench.calls().values()) == {1}
    assert bench.client.view(run).claim == 1


def test_peer_kombu_337_delayed_run_is_delivered_once(bench: Bench) -> None:
    """Runs with a due time, more workers than one, each run waiting longer than anything is held: each happens once."""
    client, definition = bench.client, bench.client.registry.get("plain_sequence").definition
    due_at = client.clock.now() + 150
    for n in range(20):
        options = StartOptions(due_at=due_at + n)
        run_start.start(client.store, client.clock, definition, b"{}", act=client.act(f"eta-{n}"), options=options)
    for _ in range(3):
        bench.work(beat_fast=True)
    bench.until(lambda: client.rows("select count(*) from runs where state = 'succeeded'") == [(20,)])
    assert bench.calls() == {"first": 20, "first second": 20, "first second third": 20}
    early = client.rows("select id from runs where started_at < ?", due_at)
    assert early == []


def test_peer_celery_8030_worker_handles_work_again_after_the_store_was_away(bench: Bench) -> None:
    """A worker whose store took no commits for a while is the same process afterwards, and works."""
    worker = bench.work(beat_fast=True, busy=(6, 11))
    bench.until(lambda: worker.passed() >= 8)
    run = bench.client.start("plain_sequence")
    bench.until(lambda: bench.client.view(run).state is RunState.SUCCEEDED)
    assert not worker.ended()
    assert "accepts commits again" in worker.life.log.read_text()
