"""Forks of simulated runs: some runs that have ended are forked from one of their steps, or from their end."""

import random
from typing import Any

from msgspec.structs import replace

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import make_id
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.run_control import ForkRun
from tests.simulation.trees import count

_ENDED = "select id, automation, input, headers from runs where state in ('succeeded', 'failed') and parent is null"
_STEPS = "select ident from journal where run = ? and kind = 'step' and superseded is null order by rank"
_FORKED = ("plain", "narrow", "hurried")
_SHARE = 0.4


class Forks:
    """A fork ends as its source must, and has its headers; a source is forked once, and no fork is."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._considered: set[str] = set()
        self.sources: dict[str, str] = {}
        """The source of each fork."""
        self._steps: dict[str, str | None] = {}
        """The step from which each fork begins."""

    def fork_some(self) -> None:
        """Fork some of the runs that have ended since the last call. What waits for something from outside is left out: it comes once."""
        for run, automation, data, headers in self._world.rows(_ENDED):
            source = self._world.runs.get(run)
            if source is None or run in self._considered or automation not in _FORKED:
                continue
            self._considered.add(run)
            dice = random.Random(f"fork {run}")
            if dice.random() < _SHARE and not any(count(source.tree, form) for form in ("signal", "event", "ask")):
                self._fork(source, bytes(data), headers, dice)

    def _fork(self, source: Any, data: bytes, headers: bytes | None, dice: random.Random) -> None:
        world, sealing = self._world, self._world.blobs.sealing()
        definition = world.choose_registry("client").get(source.automation).definition
        fork = replace(source, id=make_id("r", world.clock.now(), dice.getrandbits(80)), acked=False, cancelled=False)
        step = dice.choice([*(ident for (ident,) in world.rows(_STEPS, source.id)), None])
        start = build_start_command(
            definition,
            sealing.open(data),
            run=fork.id,
            now_at=world.clock.now(),
            trigger="test",
            options=StartOptions(),
            sealing=sealing,
            headers=headers,
        )
        world.runs[fork.id] = fork
        self._considered.add(fork.id)
        self.sources[fork.id], self._steps[fork.id] = source.id, step

        def forked(result: Any) -> None:
            fork.acked = True
            if isinstance(result, StartAnswer):
                world.hits["forked"] += 1
            else:  # a person continued it meanwhile, or a step before this one was in doubt
                world.hits[f"not forked: {result.code}"] += 1
                del world.runs[fork.id], self.sources[fork.id]

        world.client_submit(ForkRun(start, source.id, step), forked)

    def check(self) -> list[str]:
        """Return what a fork did not inherit as it was, or inherited although it was to do it again."""
        errors, text = [], "select ident, state, output from journal where run = ? and superseded is null"
        for fork, source in self.sources.items():
            inherited = self._world.rows(f"{text} and claim = 0", fork)
            own = self._world.rows("select ident, state, output from journal where run = ?", source)
            errors += [f"{fork} inherited {row}, which {source} does not have" for row in inherited if row not in own]
            if self._steps[fork] in [ident for ident, _, _ in inherited]:
                errors.append(f"{fork} inherited {self._steps[fork]}, from which it begins")
            self._world.hits["inherited"] += len(inherited)
        return errors
