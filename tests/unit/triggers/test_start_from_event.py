"""What a start that a trigger makes is about: the item that a later success settles."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.triggers.event_sources import EventSource, RunEndSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.integrations.github import github
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook
from mainspring.triggers.start_from_event import build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger

T0 = 1_800_000_000_000
WEBHOOK = parse_webhook("/hooks/orders", verify=github("ORDERS"))
QUEUE = parse_broker_queue("nats://localhost/ORDERS?subject=orders.new")
EVENT = EventSource(name="order.paid")


def known_trigger(
    source: TriggerSource, *sources: TriggerSource, flow_control: FlowControl | None = None, **options: str
) -> CachedTrigger:
    reading = (
        EventBinding(how="event", parameter="event")
        if flow_control is None
        else EventBinding(how="event", parameter="events", many=True)
    )
    triggers = {
        trigger.kind: trigger
        for trigger in (
            Trigger(source=each_source, reading=reading, pace=flow_control or FlowControl())
            for each_source in (source, *sources)
        )
    }
    trigger = next(iter(triggers.values()))
    definition = Definition(kind=DefinitionKind.TASK, name="ship", options=options, triggers=triggers)
    return CachedTrigger(f"ship/{trigger.kind}", trigger, definition, None, None, None, None)


def item_of(known: CachedTrigger, *keys: str, data: object = None) -> tuple[HealthRule, str | None]:
    events = [
        build_event(known, id=f"d_{key}", key=key, name="order.paid", data=data or {"id": 7}, at=T0) for key in keys
    ]
    start = build_start(known, events, f"d_{keys[0]}", T0, PLAIN_SEALING)
    return start.healthy, start.item


@pytest.mark.parametrize("source", [WEBHOOK, QUEUE])
def test_item_of_a_webhook_or_message_is_its_key(source):
    """A later delivery of the same key settles the failed one; one of another key does not."""
    assert item_of(known_trigger(source), "order-7") == (HealthRule.ITEM, "order-7")
    assert item_of(known_trigger(source), "order-8") == (HealthRule.ITEM, "order-8")


@pytest.mark.parametrize(("source", "other"), [(WEBHOOK, QUEUE), (QUEUE, WEBHOOK), (WEBHOOK, EVENT)])
def test_item_of_an_automation_with_several_triggers_names_the_trigger(source, other):
    """One key of two senders is about two things."""
    trigger = known_trigger(source, other)
    assert item_of(trigger, "7") == (HealthRule.ITEM, f"{trigger.name}:7")


def test_item_of_an_event_is_the_run_itself():
    """An event has no key of its own: only its own run's success settles it."""
    assert item_of(known_trigger(EVENT), "e1") == (HealthRule.ITEM, None)


def test_item_of_a_file_is_its_path_without_the_hash():
    """The fixed file has another hash, hence another key."""
    trigger = known_trigger(WatchedFolder(folder="/in"))
    assert item_of(trigger, "/in/a.csv:11", data={"path": "/in/a.csv"}) == (HealthRule.ITEM, "/in/a.csv")
    assert item_of(trigger, "/in/a.csv:22", data={"path": "/in/a.csv"}) == (HealthRule.ITEM, "/in/a.csv")
    assert item_of(trigger, "k", data={"path": "/in/a?.csv", "raw": "/in/a\\xff.csv"})[1] == "/in/a\\xff.csv"


@pytest.mark.parametrize("source", [WEBHOOK, QUEUE, EVENT])
def test_item_of_a_definition_wins(source):
    """`item=` says what runs are about where the key does not."""
    trigger = known_trigger(source, item="order {event.data.id}")
    assert item_of(trigger, "delivery-1") == (HealthRule.ITEM, "order 7")


@pytest.mark.parametrize("source", [WEBHOOK, QUEUE])
def test_batch_has_an_item_only_if_all_its_deliveries_share_it(source):
    """Success of one of several says nothing of the others."""
    trigger = known_trigger(source, flow_control=FlowControl.parse(batch=2))
    assert item_of(trigger, "7", "8") == (HealthRule.ITEM, None)
    assert item_of(trigger, "7", "7") == (HealthRule.ITEM, "7")


@pytest.mark.parametrize("source", [WEBHOOK, QUEUE, EVENT])
def test_health_rule_of_a_definition_wins_over_the_item(source):
    """`healthy="automation"` = the next success of any run settles it."""
    rule, item = item_of(known_trigger(source, healthy="automation"), "7")
    assert rule is HealthRule.AUTOMATION
    assert item not in ("7", None)


def test_run_that_follows_a_slot_is_about_that_slot():
    """What `load` did not do for one night is not done because it worked the next night."""
    trigger = known_trigger(RunEndSource(automation="extract"))
    assert item_of(trigger, "r1", data={"slot_at": T0}) == (HealthRule.ITEM, "2027-01-15T08:00:00.000Z")
    assert item_of(trigger, "r1", data={"slot_at": None}) == (HealthRule.ITEM, None)


def headers_of(known: CachedTrigger, *headers: dict[str, str]) -> object:
    events = [
        build_event(known, id=f"d_{n}", key=str(n), name="n", data={"id": n}, at=T0, headers=given)
        for n, given in enumerate(headers)
    ]
    start = build_start(known, events, "d_0", T0, PLAIN_SEALING)
    return None if start.headers is None else msgspec.json.decode(start.headers)


def test_run_that_a_message_starts_has_the_headers_that_it_carries():
    """One header of the message holds them, and OpenTelemetry's baggage has a name of its own. Others belong to the event alone."""
    message = {"mainspring-headers": '{"tenant":"acme"}', "baggage": "user=7", "x-other": "1"}
    assert headers_of(known_trigger(QUEUE), message) == {"tenant": "acme", "baggage": "user=7"}
    assert headers_of(known_trigger(QUEUE), {"x-other": "1"}) is None


def test_run_that_a_webhook_starts_has_no_headers():
    """A stranger must not choose the tenant of a run. The event has them all."""
    stranger = {"mainspring-headers": '{"tenant":"acme"}', "baggage": "user=7", "tenant": "acme"}
    assert headers_of(known_trigger(WEBHOOK), stranger) is None


def test_runs_of_an_event_have_its_headers_and_a_batch_those_that_are_equal():
    """A batch of two tenants has none."""
    assert headers_of(known_trigger(EVENT), {"tenant": "acme"}) == {"tenant": "acme"}
    batch = known_trigger(EVENT, flow_control=FlowControl(batch=2, within=1_000))
    assert headers_of(batch, {"tenant": "acme", "region": "eu"}, {"tenant": "globex", "region": "eu"}) == {
        "region": "eu"
    }
