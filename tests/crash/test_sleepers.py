"""Many workers at once sleep beyond their lease, each at another place of a step, and wake when others have done their work."""

import contextlib
import itertools
import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mainspring.domain.states import RunState
from tests.crash.bench import Bench
from tests.crash.experiments import World
from tests.crash.processes import Process
from tests.crash.scenarios import ALL

GONE = 75
LEASE_MS = 1_500
AT_ONCE = 12
BATCHES = 45 if ALL else 2
PLACES = ("effect.before", "effect.after", "commit.before", "commit.after")
"""Before the effect; after it, before its outcome is taken to the store; between the proof of the session and COMMIT; before its answer."""
TABLES = ("runs", "journal", "attempts", "checkpoints", "inbox", "waits", "run_keys")
AUTOMATIONS = ("plain_sequence", "at_most_once", "one_task", "rollback", "child_with_key")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if ALL else 180)]


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    if not world.stores.is_dear:
        pytest.skip("on a file no lease runs out: the kernel tells of a death")
    made = Bench(world)
    yield made
    made.close()


def stop_orders(count: int, dice: random.Random) -> Iterator[str]:
    """Yield so many orders to be stuck, every place in turn; of the commits the later ones, which are about a run."""
    for place in itertools.islice(itertools.cycle(PLACES), count):
        yield f"{place}:stop@{dice.randint(1, 2) if place.startswith('effect') else dice.randint(4, 9)}"


class Sleepers:
    """Workers with one run each, all asleep; then others that do the work; then all awake."""

    def __init__(
        self,
        bench: Bench,
        dice: random.Random,
        *,
        blind: bool = False,
        unfenced: bool = False,
        automations: Sequence[str] = AUTOMATIONS,
    ) -> None:
        self._bench = bench
        runs = [
            bench.client.start(name, command=f"{len(bench.lives)}-{n}")
            for n, name in enumerate(itertools.islice(itertools.cycle(automations), AT_ONCE))
        ]
        options: dict[str, Any] = {"lease_ms": LEASE_MS, "blind": blind, "unfenced": unfenced, "beat_fast": True}
        self.asleep: list[Process] = [
            bench.work(concurrency=1, failpoint=order, **options) for order in stop_orders(AT_ONCE, dice)
        ]
        bench.until(lambda: all(life.ended() or life.stopped(0.01) or self._ended(runs) for life in self.asleep))
        self.asleep = [life for life in self.asleep if not life.ended()]
        for life in self.asleep:
            life.send(signal.SIGSTOP)
            assert life.stopped()
        successors = [bench.work(lease_ms=30_000, beat_fast=True) for _ in range(2)]
        bench.until(lambda: self._ended(runs), within=40)
        for successor in successors:
            successor.kill()
        bench.until(self._are_declared_dead, within=40)
        before = self._written()
        for life in self.asleep:
            life.send(signal.SIGCONT)
        bench.until(lambda: all(life.ended() for life in self.asleep) or unfenced)
        if unfenced:
            with contextlib.suppress(AssertionError):  # what they were about to write may stand there already
                bench.until(lambda: self._written() != before, within=4)
        self.wrote = [name for name, rows in self._written().items() if rows != before[name]]
        self.doubled = self._doubled()
        for life in bench.lives:
            life.kill()

    def _ended(self, runs: list[str]) -> bool:
        over = ("succeeded", "failed", "cancelled", "needs_attention")
        return all(self._bench.client.view(run).state in over for run in runs)

    def _are_declared_dead(self) -> bool:
        marks = ", ".join(str(life.pid) for life in self.asleep) or "0"
        alive = self._bench.client.rows(f"select id from sessions where pid in ({marks}) and state = 'alive'")
        return not [life for life in alive if not self._declare_dead(life[0])]

    def _declare_dead(self, session: int) -> bool:
        """No one is left who looks after the dead: do it as they do."""
        from mainspring.app.workers.dead_sessions import declare_expired_sessions_dead

        declare_expired_sessions_dead(self._bench.client.store)
        return not self._bench.client.rows("select id from sessions where id = ? and state = 'alive'", session)

    def _written(self) -> dict[str, list[Any]]:
        return {name: sorted(self._bench.client.rows(f"select * from {name}"), key=repr) for name in TABLES}

    def _doubled(self) -> list[str]:
        """Return what was applied twice: a keyed effect more than once a key, or one without a key more than once a run."""
        applied = Counter((call.run, call.what) for call in self._bench.effects() if call.applied)
        return [f"{run} {effect}" for (run, effect), count in applied.items() if count > 1]


def test_sleepers_of_every_phase_double_nothing(bench: Bench) -> None:
    """Anyone who wakes beyond its lease writes nothing, ends with 75, and what its run did to the world was done once."""
    dice = random.Random(11)
    slept = 0
    for batch in range(BATCHES):
        sleepers = Sleepers(bench, dice, blind=batch % 2 == 1)  # each second time only the database knows better
        assert sleepers.wrote == []
        assert sleepers.doubled == []
        assert {life.code for life in sleepers.asleep} <= {GONE}
        slept += len(sleepers.asleep)
    ended = bench.client.rows("select state, reason, count(*) from runs group by 1, 2 order by 1, 2")
    print(f"{slept} workers slept beyond their lease; runs: {ended}")
    assert slept >= BATCHES * AT_ONCE * 3 // 4
    assert {state for state, _, _ in ended} <= {RunState.SUCCEEDED, RunState.FAILED, RunState.NEEDS_ATTENTION}
    assert bench.client.rows("select id from runs where finished_at is not null and session is not null") == []


def test_sleepers_of_an_unfenced_build_are_found_out(bench: Bench) -> None:
    """The same experiment on a build that asks no one whether a session lives finds writes of the dead: it can fail."""
    workflows = [name for name in AUTOMATIONS if name != "one_task"]  # what one task writes late test_zombies finds
    seeds = range(5, 15)
    assert any(Sleepers(bench, random.Random(seed), unfenced=True, automations=workflows).wrote for seed in seeds)
