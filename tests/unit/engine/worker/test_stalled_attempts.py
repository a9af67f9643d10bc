"""Attempts that give no sign of life, looked at with a clock of the test's own."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind, parse_options
from mainspring.engine.definitions.step_plan import StepPlan
from mainspring.engine.worker.stalled_attempts import StalledAttempts, StallRecord
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.commands.journal import ClearStalledAttempt, RecordStalledAttempt
from mainspring.store.commands.sessions import RecordBlockedLoop
from mainspring.testing import FakeClock

MINUTE = 60_000
STALLED = 10 * MINUTE
SECRET = "zq-stalled-horse-battery"


class Step:
    """A live step whose attempt tells where it stands when it is asked, or when `answer` is called."""

    def __init__(self, clock: FakeClock, name: str = "s", *, at_once: bool = True) -> None:
        self.request = SimpleNamespace(ident=f"{name}#1", name=name)
        self.attempt = 1
        self.started_at = clock.now()
        self.reported_at = 0
        self.handle = self
        self.is_unstoppable = False
        self.stack_requests: list[Any] = []
        self._at_once = at_once

    def request_stack(self, on_stack: Any) -> None:
        self.stack_requests.append(on_stack)
        if self._at_once:
            self.answer()

    def answer(self, *lines: str) -> None:
        self.stack_requests[-1](list(lines) or ["a.py:1 f", f"b.py:2 {SECRET}"])


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.steps: list[Step] = []
        self.sent: list[Any] = []
        self.broken = False
        steps = SimpleNamespace(endless=lambda: self.steps)
        drivers: Any = {"r": SimpleNamespace(claim=3, steps=steps, run=SimpleNamespace(automation="a", version=1))}
        self.automations: dict[str, Any] = {}
        store: Any = self
        registry: Any = SimpleNamespace(find=lambda name, _version: self.automations.get(name))
        self.stalled = StalledAttempts(store, self.clock, drivers, registry, STALLED)

    def submit(self, command: Any, on_done: Any) -> None:
        self.sent.append(command)
        on_done(OSError("away") if self.broken else None)

    def add(self, **options: Any) -> Step:
        step = Step(self.clock, f"s{len(self.steps)}", **options)
        self.steps.append(step)
        return step

    def go(self, for_ms: int) -> None:
        """Look every minute."""
        for _ in range(for_ms // MINUTE):
            self.clock.advance_us(MINUTE * 1_000)
            self.stalled.check()


@pytest.fixture
def world() -> World:
    KNOWN_SECRETS.add([SECRET])
    return World()


def test_silent_attempt_is_recorded_once_without_secrets(world: World) -> None:
    """At the limit, not before, and not again with each look."""
    world.add()
    world.go(STALLED - MINUTE)
    assert world.sent == []
    world.go(5 * STALLED)
    (command,) = world.sent
    assert isinstance(command, RecordStalledAttempt)
    assert (command.run, command.claim, command.ident, command.attempt) == ("r", 3, "s0#1", 1)
    assert command.silent_ms == STALLED
    assert command.stack[0] == "a.py:1 f"
    assert SECRET not in command.stack[1]


def test_report_ends_the_stall_and_a_new_silence_is_a_new_one(world: World) -> None:
    """With the first look after the sign."""
    step = world.add()
    world.go(2 * STALLED)
    step.reported_at = world.clock.now()
    world.go(MINUTE)
    assert world.sent[1:] == [ClearStalledAttempt("r", 3, "s0#1", 1)]
    world.go(STALLED)
    assert [type(command) for command in world.sent] == [
        RecordStalledAttempt,
        ClearStalledAttempt,
        RecordStalledAttempt,
    ]


def test_end_and_another_attempt_take_it_back(world: World) -> None:
    """Whatever ended it; the next attempt has a span of its own."""
    step, other = world.add(), world.add()
    world.go(STALLED)
    world.steps.remove(other)
    step.attempt, step.started_at = 2, world.clock.now()
    world.go(MINUTE)
    assert set(world.sent[2:]) == {ClearStalledAttempt("r", 3, "s0#1", 1), ClearStalledAttempt("r", 3, "s1#1", 1)}


def test_answer_that_comes_after_the_sign_is_dropped(world: World) -> None:
    """A child takes its time to say where it stands."""
    step = world.add(at_once=False)
    world.go(STALLED)
    step.reported_at = world.clock.now()
    world.go(MINUTE)
    step.answer()
    assert world.sent == []
    world.go(STALLED)
    step.answer()
    step.answer()
    assert len(world.sent) == 1


def test_machine_that_slept_is_no_silence(world: World) -> None:
    """Nothing could be heard meanwhile; nor is a clock that was set back one."""
    world.add()
    for jump in (100 * STALLED, -50 * STALLED):
        world.clock.advance_us(jump * 1_000)
        world.stalled.check()
        world.go(STALLED - MINUTE)
        assert world.sent == []
    world.go(MINUTE)
    assert len(world.sent) == 1


def test_few_stacks_are_requested_at_once(world: World) -> None:
    """All of them in the end."""
    for _ in range(9):
        world.add()
    world.go(STALLED)
    assert len(world.sent) == 4
    world.go(2 * MINUTE)
    assert len({command.ident for command in world.sent}) == len(world.sent) == 9


@pytest.mark.parametrize(("stated", "minutes"), [(None, 10), ("3m", 3), ("1h", 60), ("off", None)])
def test_definition_states_how_long_its_steps_may_be_silent(
    world: World, stated: str | None, minutes: int | None
) -> None:
    """Else the worker does."""
    options = parse_options(DefinitionKind.TASK, {"stalled": stated}, "a")
    world.automations["a"] = SimpleNamespace(definition=Definition(kind=DefinitionKind.TASK, name="a", options=options))
    world.add()
    world.go((60 if minutes is None else minutes - 1) * MINUTE)
    assert world.sent == []
    world.go(MINUTE)
    assert len(world.sent) == (minutes is not None)


def test_record_that_failed_is_made_again(world: World) -> None:
    """At the next look."""
    world.add()
    world.broken = True
    world.go(STALLED)
    world.broken = False
    world.go(2 * MINUTE)
    assert [type(command) for command in world.sent] == [RecordStalledAttempt, RecordStalledAttempt]


@given(st.lists(st.integers(1, 25), max_size=12))
def test_on_record_is_who_is_silent_for_so_long(gaps: list[int]) -> None:
    """Whatever the rhythm of signs: after each look the row is there if, and only if, the last sign is old enough."""
    world = World()
    step = world.add()
    for gap in gaps:
        for _ in range(gap):
            world.go(MINUTE)
            silent = world.clock.now() - max(step.started_at, step.reported_at) >= STALLED
            balance = sum(1 if isinstance(command, RecordStalledAttempt) else -1 for command in world.sent)
            assert balance == silent
        step.reported_at = world.clock.now()


@pytest.mark.parametrize(
    ("plan", "endless"), [({}, True), ({"timeout": 1}, False), ({"has_end": True}, False), ({"has_end": False}, True)]
)
def test_only_attempts_without_a_timeout_are_checked(plan: dict[str, Any], endless: bool) -> None:
    """A time-out of the attempt, or one that its code keeps."""
    assert StepPlan(**plan).is_endless is endless


class Submitted:
    """Takes commands as a store does."""

    def __init__(self):
        self.commands = []

    def submit(self, command, on_done):
        self.commands.append(command)


def test_blocked_loop_is_logged_and_put_on_record(caplog):
    """With where it stands, known or not, until it turns."""
    store = Submitted()
    record = StallRecord(store)
    with caplog.at_level(logging.ERROR):
        record.started(["loop.py:1 run", "shop.py:14 poll"], 4.0)
    assert "blocked for 4.0 s by:\n  loop.py:1 run\n  shop.py:14 poll" in caplog.text
    record.started([], 4.5)
    record.ended()
    first, unknown, last = store.commands
    assert first == RecordBlockedLoop(4_000, ("loop.py:1 run", "shop.py:14 poll"))
    assert unknown.stack, "without a stack it would turn"
    assert last == RecordBlockedLoop()
