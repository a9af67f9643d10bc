"""How an event becomes arguments, by the annotations of the function that it starts; and the key and partition of its run."""

import inspect
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.triggers.event_sources import EventSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.values.event import Event
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call


class Order(msgspec.Struct):
    id: str
    amount: int = 1


def event(data: Any, **fields: Any) -> dict[str, Any]:
    return {
        "name": "paid",
        "data": data,
        "at": "2026-05-01T12:00:00Z",
        "id": "d_1",
        "key": "k",
        "headers": {},
        "trigger": "a/event",
    } | fields


def whole(event: Event): ...
def event_and_default(event: Event, region: str = "eu"): ...
def typed(order: Order): ...
def loose(order): ...
def fields(id: str, amount: int = 1): ...
def single(id: str): ...
def nothing(): ...
def whole_list(events: list[Event]): ...
def data_list(orders: list[Order]): ...
def loose_list(orders): ...


def called(fn, *events, many=False):
    """What a function is called with, once it went through the store."""
    signature = read_signature(fn)
    arguments = EventBinding.of(signature, Event, many=many).arguments(list(events))
    return decode_call(signature, msgspec.json.encode(arguments))


@pytest.mark.parametrize(
    ("fn", "gets"),
    [
        (typed, {"order": Order("a", 5)}),
        (loose, {"order": {"id": "a", "amount": 5, "other": None}}),
        (fields, {"id": "a", "amount": 5}),
        (single, {"id": "a"}),
        (nothing, {}),
    ],
)
def test_function_gets_what_it_requests(fn, gets):
    """All of the data by its only parameter, its fields by name, or nothing."""
    args, kwargs = called(fn, event({"id": "a", "amount": 5, "other": None}))
    assert inspect.signature(fn).bind(*args, **kwargs).arguments == gets


def test_function_gets_the_whole_event_typed():
    """Its instant is a datetime, and the fields of its data are its attributes."""
    (got,), _ = called(whole, event({"amount": 5}, headers={"x": "y"}))
    assert (got.name, got.amount, got.key, got.headers) == ("paid", 5, "k", {"x": "y"})
    assert got.at == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_reading_of_each_shape():
    """By annotation, number of parameters, and whether there are many."""

    def call_form(fn, many=False):
        reading = EventBinding.of(read_signature(fn), Event, many=many)
        return reading.how, reading.parameter, reading.many

    assert call_form(whole) == ("event", "event", False)
    assert call_form(event_and_default) == ("event", "event", False)
    assert call_form(whole_list) == ("event", "events", True)
    assert call_form(whole_list, many=True) == ("event", "events", True)
    assert call_form(data_list, many=True) == ("data", "orders", True)
    assert call_form(loose_list, many=True) == ("data", "orders", True)
    assert call_form(nothing, many=True) == ("nothing", "", True)
    assert EventBinding.of(None, Event, many=False) == EventBinding(how="stdin", parameter="event")


def test_batch_gives_a_list_in_its_order():
    """Of events or of their data."""
    two = event({"id": "a"}), event({"id": "b"})
    assert EventBinding.of(read_signature(whole_list), Event, many=True).arguments(list(two)) == {"events": list(two)}
    assert EventBinding.of(read_signature(data_list), Event, many=True).arguments(list(two)) == {
        "orders": [{"id": "a"}, {"id": "b"}]
    }


def test_one_event_for_a_list_is_a_list_of_one():
    """A function may take events by the list without a batch."""
    assert EventBinding.of(read_signature(whole_list), Event, many=False).arguments([event(1)]) == {
        "events": [event(1)]
    }


def needy(event: Event, region: str): ...


@pytest.mark.parametrize(
    ("fn", "many", "message"),
    [
        (whole, True, "'event' is one event, but batch= gives several"),
        (fields, True, "2 parameters for the fields of one"),
        (needy, False, "'region' has no default"),
    ],
)
def test_function_that_no_event_can_call_is_refused(fn, many, message):
    """When it is loaded, with what to write."""
    with pytest.raises(OptionError, match=message) as refused:
        EventBinding.of(read_signature(fn), Event, many=many)
    assert refused.value.hint


def test_fields_of_no_object_are_refused():
    """The message names what was looked for."""
    with pytest.raises(ArgumentError, match="the data is list, not an object: there is nothing named 'id' in it"):
        EventBinding.of(read_signature(fields), Event, many=False).arguments([event([1])])


def made(**options: Any) -> Trigger:
    return Trigger(source=EventSource(name="paid"), **options)


def test_key_of_the_flow_control_is_filled_from_the_event():
    """One key for all where none is said; what has no value is an error that names it."""
    assert made().by_of(event(1)) == ""
    trigger = made(pace=FlowControl.parse(by="{data.id} {headers.x_tenant} {name} {key} {trigger}"))
    assert trigger.by_of(event({"id": "a"}, headers={"x-tenant": "x"})) == "a x paid k a/event"
    with pytest.raises(OptionError, match=r"data\.id"):
        trigger.by_of(event({}))


def test_partition_is_stated_or_follows_from_concurrency():
    """As many partitions of a key as may run at once; the same delivery has always the same."""
    assert made().partition_of(event(1), "d_1") is None
    assert made(partition="{data.id}").partition_of(event({"id": "a"}), "d_1") == "a"
    trigger = made(pace=FlowControl.parse(by="{data.id}", concurrency=3))
    found = {trigger.partition_of(event({"id": "a"}), f"d_{n:08}") for n in range(300)}
    assert found == {f"a~{partition}" for partition in range(3)}
    assert trigger.partition_of(event({"id": "a"}), "d_7") == trigger.partition_of(event({"id": "a"}), "d_7")


def test_trigger_travels_as_json():
    """What a worker announces is what everyone else reads."""
    trigger = made(
        pace=FlowControl.parse(rate="1/s"),
        filtered=True,
        partition="{key}",
        reading=EventBinding(how="event", parameter="e"),
    )
    assert msgspec.json.decode(msgspec.json.encode(trigger), type=Trigger) == trigger
    assert trigger.kind == "event"
