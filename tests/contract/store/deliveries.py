"""Triggers and what arrives for them, in the words of the tests."""

from typing import Any

import msgspec

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.triggers.trigger_source import TriggerTopic
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    JoinRun,
    ReleaseHeldDeliveries,
    TriggerRow,
)
from mainspring.store.read import triggers

HOOK = "a/webhook"
PLAIN = msgspec.json.encode({"source": {"type": "event", "name": "paid"}})


def hook(automation: str = "a", path: str | None = "/in", end: str = "webhook", **options: Any) -> TriggerRow:
    """A trigger that accepts what comes from outside."""
    return TriggerRow(f"{automation}/{end}", automation, "webhook", options.pop("definition", PLAIN), path, **options)


def on_event(automation: str = "a", name: str = "paid", where: str = "{}", *, filtered: bool = False) -> TriggerRow:
    """A trigger that listens for an event."""
    definition = msgspec.json.encode({"source": {"type": "event", "name": name}, "filtered": filtered})
    return TriggerRow(
        f"{automation}/event", automation, "event", definition, None, (TriggerTopic("event", name, where),)
    )


def on_run(automation: str, other: str, states: str = '["succeeded"]') -> TriggerRow:
    """A trigger that listens for ends."""
    return TriggerRow(f"{automation}/run", automation, "run", PLAIN, None, (TriggerTopic("run", other, states),))


def on_runs(automation: str, *rest_of_them: str) -> TriggerRow:
    """A trigger that waits for several ends."""
    topics = tuple(TriggerTopic("run", other, "[]") for other in rest_of_them)
    return TriggerRow(f"{automation}/runs", automation, "runs", PLAIN, None, topics)


def announced(
    *triggers: TriggerRow, names: tuple[str, ...] = ("a", "b"), was: dict[str, str] | None = None, code: str = "code-1"
) -> AnnounceDefinitions:
    """What a worker says whose automations have these triggers."""
    old = was or {}
    rows = tuple(AutomationRow(name, "task", 1, code, b"{}", was=old.get(name)) for name in names)
    return AnnounceDefinitions(code, rows, (), triggers)


def accepting(store: Any, key: str, **options: Any) -> AcceptDelivery:
    """An arrival with the run that it may start."""
    values: dict[str, Any] = {"trigger": HOOK, "body_hash": "h", "body": b'{"n": 1}', "id": store.name("d")}
    values |= options
    if "start" not in values:
        values["start"] = store.starting(split_trigger_name(values["trigger"])[0])
    return AcceptDelivery(key=key, **values)


def deciding(store: Any, delivery: str, state: DeliveryState = DeliveryState.STARTED, **options: Any) -> DecideDelivery:
    """A decision on what was received, with the run that it may start."""
    values: dict[str, Any] = {"trigger": HOOK, "start": store.starting() if state is DeliveryState.STARTED else None}
    return DecideDelivery(delivery=delivery, state=state, **(values | options))


def releasing(store: Any, flow_control: Any, *deliveries: str, **options: Any) -> ReleaseHeldDeliveries:
    """The start of a run for what was held."""
    values: dict[str, Any] = {"trigger": HOOK, "by": "", "start": store.starting()}
    return ReleaseHeldDeliveries(deliveries=deliveries, pace=flow_control, **(values | options))


def gathering(
    store: Any, delivery: str | None, automation: str = "", *, start: StartRun | None = None, **options: Any
) -> JoinRun:
    """An end that is put to the others."""
    values: dict[str, Any] = {"trigger": "c/runs", "per": "p", "expected": 2, "deadline_at": store.clock.now() + 1_000}
    values |= {"run": f"run of {automation}", "state": "succeeded", "counts": True}
    return JoinRun(delivery=delivery, automation=automation, start=start, **(values | options))


def read_state(store: Any, delivery: str) -> DeliveryState:
    """Where a delivery stands."""
    return triggers.delivery(store.reader, delivery).state


def waiting(store: Any, trigger: str, filtered: int = 0) -> list[str]:
    """The deliveries of a trigger that no one decided on."""
    return [row[1] for row in store.reader.read("list_received_deliveries", (filtered, trigger, 0, 100))]


def listed(store: Any, trigger: str | None = None) -> list[tuple[str, str]]:
    """Key and state of all deliveries, oldest first."""
    return [
        (row.key, row.state.value) for row in reversed(triggers.deliveries(store.reader, trigger=trigger).deliveries)
    ]
