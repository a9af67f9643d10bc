"""A router on a store in a file, whose time continues only when a test says so."""

import heapq
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import EventSource, JoinedRunsSource
from mainspring.domain.triggers.trigger import EventBinding, Trigger, split_trigger_name
from mainspring.domain.triggers.trigger_source import TriggerTopic
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.read import triggers
from mainspring.triggers.router import Router
from mainspring.triggers.trigger_cache import TriggerCache
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import SqliteProcess, event


class Timer:
    """What a loop gives for a call that comes later."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Calls what is due when the clock is moved."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._planned: list[tuple[int, int, Timer, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        timer = Timer()
        heapq.heappush(
            self._planned, (self._clock.now() + max(1, round(delay * 1000)), next(self._numbers), timer, call)
        )
        return timer

    def pass_time(self, ms: int) -> None:
        end = self._clock.now() + ms
        while self._planned and self._planned[0][0] <= end:
            at, _, timer, call = heapq.heappop(self._planned)
            self._clock.at = max(self._clock.at, at)
            if not timer.cancelled:
                call()
        self._clock.at = end


class Bench:
    """One store, one router; each look is counted, and what it reads is what is committed."""

    def __init__(self, folder: Path, sealing: Sealing = PLAIN_SEALING) -> None:
        self.clock = FakeClock()
        self.loop = Loop(self.clock)
        self.process = SqliteProcess(folder / "s.db", self.clock)
        self.process.open()
        self.reader = self.process.reader
        self.polls = 0
        self.error: Exception | None = None
        self._pending: list[tuple[Any, Callable[[Any], None]]] = []
        self.known = TriggerCache(self.reader)
        self.router = Router(self.loop, self, self.reader, self.known, self.clock, sealing, self._off_loop)  # type: ignore[arg-type]

    def _off_loop(self, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.polls += 1
        try:
            found = read()
        except Exception as error:
            found = error
        then(found)
        self._commit()

    def submit(self, command: Any, answered: Callable[[Any], None]) -> None:
        self._pending.append((command, answered))

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        results = (
            [self.error] * len(pending)
            if self.error is not None
            else self.process.database.commit([command for command, _ in pending]).results
        )
        for (_, answered), result in zip(pending, results, strict=True):
            answered(result)

    def poll(self) -> None:
        self.router.poll()

    def announce(self, *triggers: tuple[str, Trigger | bytes], queue: str = "default") -> None:
        """Let automations be known, each with one trigger: "name/kind" -> what it is."""
        automations: dict[str, AutomationRow] = {}
        rows: list[TriggerRow] = []
        for name, trigger in triggers:
            automation, kind = split_trigger_name(name)
            definition = Definition(kind=DefinitionKind.TASK, name=automation, options={"queue": queue})
            automations[automation] = AutomationRow(
                automation, "task", 1, "f", msgspec.json.encode(definition.to_data())
            )
            written = trigger if isinstance(trigger, bytes) else msgspec.json.encode(trigger)
            source = trigger.source if isinstance(trigger, Trigger) else EventSource(name="e")
            topics = (
                tuple(TriggerTopic("run", other, "[]") for other in source.automations)
                if isinstance(source, JoinedRunsSource)
                else (TriggerTopic("event", "e", "{}"),)
            )
            rows.append(TriggerRow(name, automation, kind.partition("#")[0], written, None, topics))
        self.process.do(AnnounceDefinitions("f", tuple(automations.values()), (), tuple(rows)))

    def publish(self, count: int = 1, data: bytes = b'{"n": 1}') -> None:
        self.process.do(*(event("e", data) for _ in range(count)))

    def states(self, trigger: str | None = None) -> list[str]:
        rows = triggers.deliveries(self.reader, trigger=trigger, limit=5_000).deliveries
        return [row.state.value for row in reversed(rows)]

    def in_state(self, state: DeliveryState, trigger: str | None = None) -> int:
        return self.states(trigger).count(state.value)

    def close(self) -> None:
        self.router.close()
        self.process.close()


def on_event(**options: Any) -> Trigger:
    return Trigger(source=EventSource(name="e"), **{"reading": EventBinding(), **options})
