"""Targets in the store: limits that all processes share, and what happens to them when the clock is set."""

from typing import Any

from mainspring.domain.effects.target_limits import TargetLimits, TargetRefusal, TargetRefused, TargetTurn
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import DONE
from mainspring.store.commands.targets import EnterTarget, LeaveTarget, ResetTarget
from mainspring.store.read.targets import list_targets
from mainspring.store.write.retention import TARGETS_STORED_MS

HOST = "api.example.com"
LIMITS = TargetLimits(2, 60_000, 1)


def entering(request: str, limits: TargetLimits = LIMITS, owner: str | None = None) -> EnterTarget:
    return EnterTarget(HOST, limits, request, 10_000, 60_000, owner)


def test_processes_share_the_rate(store: Any, second: Any) -> None:
    """The third request of a minute is refused in each process."""
    assert store.do(entering("a")) == second.do(entering("b")) == TargetTurn()
    for process in (store, second):
        assert process.do(entering("c")) == TargetRefused(TargetRefusal.RATE_LIMITED, 60_000)


def test_step_gets_the_instant_that_was_reserved_for_it(store: Any, second: Any, clock: Any) -> None:
    """In any process, once, and although others came before it comes back."""
    for request in ("a", "b"):
        store.do(entering(request))
    assert store.twice(entering("c", owner="run/step")).retry_after_ms == 60_000
    assert second.do(entering("d", owner="run/other")).retry_after_ms == 60_000
    assert second.do(entering("e", owner="run/third")).retry_after_ms == 120_000
    clock.forward(60_000)
    assert store.do(entering("f")).reason is TargetRefusal.RATE_LIMITED
    assert second.twice(entering("c2", owner="run/step")) == TargetTurn()
    assert store.do(entering("c3", owner="run/step")).retry_after_ms == 60_000


def test_processes_share_the_breaker(store: Any, second: Any, clock: Any) -> None:
    """One process fails, the other one does not send; after the pause one of them tries."""
    limits = TargetLimits(break_after=1)
    store.do(entering("a", limits))
    assert store.twice(LeaveTarget(HOST, limits, "a", is_ok=False)) == DONE
    assert second.do(entering("b", limits)) == TargetRefused(TargetRefusal.CIRCUIT_OPEN, 30_000, 1)
    clock.forward(30_000)
    assert second.twice(entering("b", limits)) == TargetTurn(0, 1)
    assert store.do(entering("c", limits)).reason is TargetRefusal.CIRCUIT_OPEN
    assert second.twice(LeaveTarget(HOST, limits, "b", is_ok=True)) == DONE
    assert store.do(entering("c", limits)) == TargetTurn()


def test_reset_forgets_the_requests_of_a_target(store: Any) -> None:
    """Only of one that is on record."""
    store.do(entering("a"))
    store.do(LeaveTarget(HOST, LIMITS, "a", is_ok=False))
    assert store.twice(ResetTarget(HOST)) == DONE
    assert store.do(ResetTarget(HOST)).code == "not_found"
    assert store.do(entering("b")) == TargetTurn()


def test_target_without_requests_is_deleted(store: Any, clock: Any) -> None:
    """By retention, after a day; an open breaker only after its end."""
    store.do(entering("a"))
    clock.forward(TARGETS_STORED_MS + 1)
    store.do(ApplyRetention(None, None, None, None, None))
    assert list_targets(store.reader) == []


def test_reset_forgets_reserved_instants(store: Any, clock: Any) -> None:
    """A step that comes back for one gets a turn as any other request."""
    for request in ("a", "b", "c"):
        store.do(entering(request, owner=f"run/{request}"))
    assert store.reader.read("find_turn", (HOST, "run/c")) == [(clock.now() + 60_000,)]
    store.do(ResetTarget(HOST))
    assert store.reader.read("find_turn", (HOST, "run/c")) == []
