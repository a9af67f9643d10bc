"""A world of limited runs: few keys with many starts at a time, and releases of one workflow that follow each other."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import make_id
from mainspring.domain.states import FailureReason
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.run_start import build_start_command, build_start_limits
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.runs import ReopenRun
from tests.simulation.limit_rules import LimitRules
from tests.simulation.limited_workload import CHANGED, DEBOUNCED, RATES, RELEASES, THROTTLES, releases
from tests.simulation.node import Node
from tests.simulation.trees import count, expect, grow, tame
from tests.simulation.world import StartedRun, World

AUTOMATIONS = (*("keyed", "keyed", "family", "latest", "brief"), *RATES, *THROTTLES, DEBOUNCED, *([CHANGED] * 3))
_NEXT_RELEASE_S = 2.5
_TASKS = (*RATES, *THROTTLES, DEBOUNCED)


class LimitedWorld(World):
    """In a third of the seeds the clocks of the machines differ. Then the rules of time and order are not compared."""

    hurried = ("brief",)
    roll_outs = 6
    automations: tuple[str, ...] = AUTOMATIONS
    changed_trigger: tuple[str, str] | None = None
    """For a planted bug: what to replace in the trigger that shares the slots, and by what."""
    final = ("brief", "latest", *_TASKS)

    def __init__(self, seed: int, folder: Path, **options: Any) -> None:
        is_skewed = seed % 3 == 2
        if not is_skewed:
            self.skews = (0,)
            self.misfortunes = tuple(name for name in self.misfortunes if name != "skew")
        super().__init__(seed, folder, **options)
        if self.changed_trigger is not None:
            self.store.change_trigger("runs_share_slots", *self.changed_trigger)
        self.rules = LimitRules(self.rows, self.clock.now, self.hits, is_timed=not is_skewed)
        self.truth.on_commit = self.rules.check
        self.rules.errors = self.errors

    async def _live(self) -> None:
        for n in range(self.roll_outs):
            self.loop.call_later(1.3 + n * 3 * _NEXT_RELEASE_S / self.roll_outs, self._roll_out)
        await super()._live()

    def _roll_out(self) -> None:
        """Replace a process with older code, in order."""
        outdated = [
            node
            for node in self.nodes
            if not node.dead and not node.draining and node.registry is not self.choose_registry("newest")
        ]
        if outdated:
            node = self.dice.choice(outdated)
            node.drain()
            self.loop.call_later(self.dice.uniform(0, 2), self._new_node, node.name)

    def choose_registry(self, name: str) -> Registry:
        """Return the release of now: later processes have newer code, earlier ones live on beside them. Some machines are late."""
        number = min(int(self.loop.time() / _NEXT_RELEASE_S), RELEASES - 1)
        earlier = releases()[max(number - 1, 0)]
        # Deployments are numbered when they are first announced: only an announced release can be an earlier one.
        is_announced = any(node.registry is earlier and node.worker is not None for node in self.nodes)
        is_late = is_announced and name.startswith("worker") and self.dice.random() < 0.25
        return earlier if is_late else releases()[number]

    def begin_side(self, node: Node, run: str, side: str) -> None:
        """Take note of a step of one side of the change."""
        self.hits[f"{side} side"] += 1
        self.rules.begin_side(run, side, is_answered=node.registry is not releases()[0])

    def take_stop(self, run: str, ident: str, reason: str) -> None:
        """Let a worker with newer code continue a run that older code refused."""
        versions = self.rows(
            "select output from journal where run = ? and kind = 'version' and superseded is null", run
        )
        if reason == FailureReason.DRIFT and versions and versions[0][0] != b"1":
            self.hits["older code stopped"] += 1
            self.client_submit(ReopenRun(run))
        else:
            super().take_stop(run, ident, reason)

    def expect_result(self, started_run: StartedRun) -> Any:
        """Return the result that a run must give."""
        if started_run.automation == DEBOUNCED:
            return msgspec.json.decode(self.rules.inputs[started_run.id])["tree"][1]
        return expect(started_run.tree)

    def _plan_chain(self, dice: Any) -> None:
        """No chain is needed here."""

    def _plan_run(self, number: int) -> None:
        """Plan some starts of one automation for two keys, close to each other."""
        dice = self.dice
        name = dice.choice(self.automations)
        starts_at = dice.uniform(0, 6) if dice.random() < 0.8 else 0.0  # before a worker has announced the limit
        for n in range(dice.randint(3, 6)):
            tree = (
                ["act", f"a{number}.{n}", "ok"] if name in _TASKS else tame(grow(dice, dice.choice((1, 1, 4)), number))
            )
            started_run = StartedRun(make_id("r", self.clock.now(), dice.getrandbits(80)), name, tree)
            self.runs[started_run.id] = started_run
            at = starts_at + dice.choice((0.0, dice.random(), dice.random(), dice.uniform(0, 4)))
            if name == DEBOUNCED:
                at = starts_at + n * dice.uniform(0.4, 0.9)
            data = self._choose_input(started_run)
            priority = dice.choice((0, 0, 0, 5))
            self.loop.call_later(at, self._start_limited, started_run, data, priority)
            if dice.random() < 0.15:
                self.loop.call_later(at + dice.uniform(0, 6), self._cancel_started, started_run)
            if name not in _TASKS and (count(tree, "act") or name == CHANGED):
                self._plan_pause(started_run, at)

    def _choose_input(self, started_run: StartedRun) -> dict[str, Any]:
        if started_run.automation == CHANGED:
            return {"tree": started_run.tree, "beside": self.dice.random() < 0.4}
        key = f"c{self.dice.randrange(2)}"
        self.rules.keys[started_run.id] = key
        children = {"children": self.dice.randrange(3)} if started_run.automation == "family" else {}
        return {"customer": key, "tree": started_run.tree, **children}

    def _start_limited(self, started_run: StartedRun, data: dict[str, Any], priority: int) -> None:
        definition = releases()[0].get(started_run.automation).definition
        encoded = msgspec.json.encode(data)
        command = build_start_command(
            definition,
            encoded,
            run=started_run.id,
            now_at=self.clock.now(),
            trigger="test",
            options=StartOptions(priority=priority),
        )
        limits = build_start_limits(definition, encoded, self.clock.now())
        if limits is not None:
            command = replace(command, limits=limits)

        def started(result: Any) -> None:
            started_run.acked = True
            if isinstance(result, Refused) and result.code == "throttled":
                del self.runs[started_run.id]
            elif (
                isinstance(result, StartAnswer) and result.run != started_run.id and started_run.automation == DEBOUNCED
            ):
                del self.runs[started_run.id]  # it is one with an earlier start
            elif not isinstance(result, StartAnswer) or result.run != started_run.id:
                self.errors.append(f"start of {started_run.id} was answered {result!r}")

        self.client_submit(command, started)

    def _cancel_started(self, started_run: StartedRun) -> None:
        if self.rows("select 1 from runs where id = ?", started_run.id):
            self._cancel(started_run)

    def _all_ended(self) -> bool:
        for run in self.rules.replaced & self.runs.keys():
            self.runs[run].cancelled = True
        return super()._all_ended()
