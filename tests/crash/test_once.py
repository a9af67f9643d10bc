"""`ms.once` in workers and programs that are killed (SIGKILL) at every moment: no effect is doubled, and none is lost in silence.

Killed are: before and after each commit of the store, before and after the request to the target, and while the target has the request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from mainspring.domain.states import TERMINAL_STATES, EffectState, FailureReason, RunState
from tests.crash.clients import Client
from tests.crash.effects import Call
from tests.crash.experiments import World
from tests.crash.lives import Life
from tests.crash.processes import Process
from tests.crash.scenarios import ALL
from tests.polling import polls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

RECOVERIES = ["person", "keyed", "check"]
INSIDE = "inside"


@pytest.fixture(params=RECOVERIES)
def recovery(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Killing:
    """One store, and lives on it: the first one is killed where it is ordered, the next ones are not."""

    world: World
    order: str
    folder: Path = field(init=False)
    client: Client = field(init=False)
    lives: list[Process] = field(default_factory=list)
    _mark: int = 0

    def __post_init__(self) -> None:
        self.folder = self.world.fresh()
        self._mark = self.world.effects.mark()
        self.client = Client(self.world.urls[self.folder.name], self.world.registry)

    @property
    def calls(self) -> list[Call]:
        """What the target got."""
        return self.world.effects.calls(self._mark, self.folder.name)

    @property
    def applied(self) -> int:
        """How often the world changed."""
        return sum(call.applied for call in self.calls)

    @property
    def effects(self) -> list[tuple[str, str, int]]:
        return [(str(state), str(key), int(intent)) for state, key, intent in
                self.client.rows("select state, id, intent from effects")]  # fmt: skip

    def live(self, act: str = "") -> Process:
        """Start the next life; the first one has the order."""
        number = len(self.lives) + 1
        is_first, hold = number == 1, f"{self.folder.name}-hold"
        life = Life(
            folder=str(self.folder),
            store=self.world.urls[self.folder.name],
            experiment=self.folder.name,
            effects=self.world.effects.path,
            number=number,
            failpoint=self.order if is_first and self.order != INSIDE else "",
            hold=hold if is_first and self.order == INSIDE else "",
            act=act,
        )
        self.lives.append(self.world.template.start(life))
        return self.lives[-1]

    def until_killed(self, process: Process, is_over: Callable[[], bool]) -> bool:
        """Wait until the life is killed as ordered; False if all was over before."""
        for _ in polls(60, pause_s=0.002):
            if self.order == INSIDE and self.calls:
                process.kill()
            if process.ended():
                return process.code == -9
            if is_over() and not process.ended(0.2):
                process.kill()
                return False
        raise AssertionError(f"it hangs: {process.describe()}\n{process.life.log.read_text()}")

    def close(self) -> None:
        for process in self.lives:
            process.kill()
        self.client.close()
        self.world.drop(self.folder)


def orders(world: World, recovery: str) -> Iterator[str]:
    """Yield the moments; those of commits are endless. The short tier leaves most of them to the long one, others for each recovery."""
    yield from ("effect.before:kill@1", "effect.after:kill@1", INSIDE)
    step = 1 if ALL else 6 if world.stores.is_dear else 3
    for moment in count(RECOVERIES.index(recovery) % step, step):
        yield f"commit.{'after' if moment % 2 else 'before'}:kill@{moment // 2 + 1}"


def check_target(killing: Killing, recovery: str, *, is_doubted: bool) -> None:
    """Check what the world got: one effect, or none and a question."""
    calls, order = killing.calls, killing.order
    assert killing.applied <= 1, f"done twice: {order}, {calls}"
    if recovery == "person":
        assert len(calls) <= 1, f"repeated blindly: {order}, {calls}"
    assert len({call.key for call in calls}) <= 1, f"under two keys: {order}, {calls}"
    if is_doubted:
        assert recovery == "person", f"{order}: {recovery} needs no person"
        assert [state for state, *_ in killing.effects] == [EffectState.IN_DOUBT]
    else:
        assert killing.applied == 1, f"lost: {order}, {calls}"
        assert [(state, key) for state, key, _ in killing.effects] == [(EffectState.DONE, calls[0].key)]


def test_effect_of_a_killed_worker_is_neither_doubled_nor_lost(world: World, recovery: str) -> None:
    """Two steps want it: with a check or a key it is there exactly once, else at most once, with exactly one question."""
    kills = doubts = 0
    for order in orders(world, recovery):
        killing = Killing(world, order)
        try:
            run = killing.client.start(f"ledger_{recovery}")

            def is_over(client: Client = killing.client, run: str = run) -> bool:
                state = client.view(run).state
                return state in TERMINAL_STATES or state is RunState.NEEDS_ATTENTION

            if not killing.until_killed(killing.live(), is_over):
                assert order.startswith("commit.")
                break
            kills += 1
            killing.live()
            assert any(is_over() for _ in polls(60, pause_s=0.005)), "the run hangs"
            view = killing.client.view(run)
            is_doubted = view.state is RunState.NEEDS_ATTENTION
            if is_doubted:
                assert view.reason == FailureReason.IN_DOUBT
                doubts += 1
            else:
                assert view.state is RunState.SUCCEEDED, (order, view.failure)
            check_target(killing, recovery, is_doubted=is_doubted)
        except BaseException as error:
            logs = [life.life.log.read_text() for life in killing.lives if life.life.log.exists()]
            error.add_note("\n".join([order, *logs]))
            raise
        finally:
            killing.close()
    assert kills >= (3 + 2 * 4 if ALL else 4), "so few moments prove too little"
    assert (doubts > 0) is (recovery == "person")


def test_effect_of_a_killed_program_is_neither_doubled_nor_lost(world: World, recovery: str) -> None:
    """A script that is started again; its session is declared dead by the next one, which no supervisor helps."""
    kills = doubts = 0
    for order in orders(world, recovery):
        killing = Killing(world, order)
        try:
            first = killing.live(f"once {recovery}")
            if not killing.until_killed(first, lambda: False):
                assert first.code == 0, first.life.log.read_text()
                assert order.startswith("commit.")
                break
            kills += 1
            codes = []
            for _ in range(2):
                again = killing.live(f"once {recovery}")
                assert again.ended(60), again.describe()
                codes.append(again.code)
            assert codes in ([0, 0], [3, 3]), (order, codes)
            doubts += codes[0] == 3
            check_target(killing, recovery, is_doubted=codes[0] == 3)
        except BaseException as error:
            logs = [life.life.log.read_text() for life in killing.lives if life.life.log.exists()]
            error.add_note("\n".join([order, *logs]))
            raise
        finally:
            killing.close()
    assert kills >= (3 + 2 * 4 if ALL else 4), "so few moments prove too little"
    assert (doubts > 0) is (recovery == "person")
