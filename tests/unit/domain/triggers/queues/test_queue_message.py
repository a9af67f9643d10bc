"""Messages as arrivals: their key, partition, headers and what a run is given."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery
from mainspring.integrations.brokers import parse_broker_queue

_URL = "nats://h/ORDERS"


def message(**parts: object) -> QueueMessage:
    return QueueMessage(**{"id": "m1", "body": b'{"user": {"id": 7}}', **parts})  # type: ignore[arg-type]


def test_message_counts_under_its_own_id():
    """Without a template the key is the message's id, and its body is what a run is given."""
    delivery = make_delivery(
        parse_broker_queue(_URL), message(headers={"X-Kind": "new"}, subject="orders.created", redelivered=2)
    )
    assert (delivery.key, delivery.json, delivery.partition) == ("m1", b'{"user": {"id": 7}}', None)
    assert (delivery.headers, delivery.name, delivery.redelivered) == ({"x-kind": "new"}, "orders.created", 2)


def test_templates_reach_headers_and_body():
    """Header names are written with underscores; the body is reached by dots."""
    queue = parse_broker_queue(_URL, key="{headers.nats_msg_id}:{subject}", partition="user-{body.user.id}")
    delivery = make_delivery(queue, message(headers={"Nats-Msg-Id": "a"}, subject="s"))
    assert (delivery.key, delivery.partition) == ("a:s", "user-7")


def test_group_of_the_broker_is_the_partition():
    """An order that the broker keeps is kept by the runs, unless a template says otherwise."""
    assert make_delivery(parse_broker_queue(_URL), message(group="g")).partition == "g"
    assert make_delivery(parse_broker_queue(_URL, partition="{id}"), message(group="g")).partition == "m1"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"key": "{body.nothing}"}, {}),
        ({"key": "{body.user}"}, {}),
        ({"key": "{body.x}"}, {"body": b"\xff"}),
        ({"key": "{body.x}"}, {"body": b"[" * 100_000}),
        ({"key": "{headers.no}"}, {}),
        ({"key": "{group}"}, {}),
        ({"body": "text"}, {"body": b"\xff"}),
    ],
)
def test_message_without_a_template_field_is_no_delivery(options, parts):
    """What is missing is reported, for the consumer to count."""
    with pytest.raises(OptionError):
        make_delivery(parse_broker_queue(_URL, **options), message(**parts))


@given(st.binary(max_size=200))
def test_bytes_and_text_return_as_they_were(body):
    """A run that takes bytes is given each byte; one that takes text gets the text."""
    delivery = make_delivery(parse_broker_queue(_URL, body="bytes"), message(body=body))
    assert msgspec.json.decode(delivery.json, type=bytes) == body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    assert msgspec.json.decode(make_delivery(parse_broker_queue(_URL, body="text"), message(body=body)).json) == text
