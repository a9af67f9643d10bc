"""Events as users' code sees them: fields of the data are attributes."""

from datetime import UTC, datetime

import msgspec
import pytest

from mainspring.domain.values.event import AwaitedEvent, Event

AT = datetime(2026, 5, 1, tzinfo=UTC)


def test_event_of_a_trigger_has_its_origin():
    """Anyone who sends it cannot put other headers or another key in their place."""
    data = {"id": "theirs", "key": "theirs", "headers": {}, "at": "theirs", "amount": 5, "name": "theirs"}
    event = Event("paid", data, AT, "d_1", "k", {"x": "y"}, "a/webhook")
    assert (event.id, event.key, event.headers, event.at, event.name) == ("d_1", "k", {"x": "y"}, AT, "paid")
    assert event.amount == 5
    assert event.data["id"] == "theirs"
    with pytest.raises(AttributeError, match="'paid' has no field 'other'"):
        _ = event.other


def test_event_that_a_run_waited_for_displays_its_data():
    """It has no id, key, headers or trigger of its own: such names are the data's, and a field `at` hides the instant."""
    event = AwaitedEvent("paid", {"id": "theirs", "key": "k", "trigger": "t", "headers": 1}, AT)
    assert (event.id, event.key, event.trigger, event.headers, event.at) == ("theirs", "k", "t", 1, AT)
    assert AwaitedEvent("paid", {"at": "theirs"}, AT).at == "theirs"
    for field in ("id", "key", "other"):
        with pytest.raises(AttributeError, match="has no field"):
            getattr(AwaitedEvent("paid", [1], AT), field)
    with pytest.raises(AttributeError):
        _ = AwaitedEvent("paid").at
    assert isinstance(event, Event)


def test_event_travels_as_json():
    """A run is given it as an argument."""
    event = Event("paid", {"a": [1]}, AT, "d_1", "k", {"x": "y"}, "a/webhook")
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
