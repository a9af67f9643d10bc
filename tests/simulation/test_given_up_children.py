"""A child that its parent abandoned is stopped, although the worker died between the abandoning and the word to the child."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.store.commands.journal import SaveOutcome
from tests.simulation.node import Node
from tests.simulation.stores import FOLDER
from tests.simulation.world import StartedRun, World

TREE = ["seq", [["race", 400, ["child", ["sleep", 60_000]]], ["sleep", 20_000]]]


class DiesAtTheTimer:
    """Kills its node between the commit of the first timer and its reply."""

    def __init__(self, inner: Any, world: "OneDeath") -> None:
        self._inner = inner
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, commands: list[Any], *, again: bool = False) -> Any:
        report = self._inner.commit(commands, again=again)
        if self._world.victim is None and any(
            isinstance(c, SaveOutcome) and c.kind is OutcomeKind.TIMER for c in commands
        ):
            self._world.kill()
        return report


class OneDeath(World):
    """One run, one worker, one death, one successor."""

    victim: Node | None = None
    child: list[tuple[Any, ...]]

    def kill(self) -> None:
        self.victim = victim = self.nodes[0]

        def killed() -> None:
            self._declare_dead(victim)
            self._new_node("successor")

        victim.kill(killed, in_commit=True)

    async def _live(self) -> None:
        self.fault_rate = 0.0
        self.client = Node(self, "client", works=False)
        self._new_node("first")
        self.runs["r1"] = started = StartedRun("r1", "plain", TREE)
        self._start(started)
        await asyncio.sleep(10)
        self.child = self.rows("select state from runs where parent = 'r1'")


def test_a_child_abandoned_before_a_crash_is_cancelled_after_it():
    """The successor's replay gives the child up again, and tells it."""
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    try:
        world = OneDeath(1, folder, wrap=lambda database: DiesAtTheTimer(database, world))
        world.live()
    finally:
        shutil.rmtree(folder)
    assert world.victim is not None
    assert world.victim.dead
    assert world.child == [("cancelled",)]
