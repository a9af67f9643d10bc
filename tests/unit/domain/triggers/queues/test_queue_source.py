"""Queues as options: what is read, refused and stored."""

from datetime import timedelta

import msgspec
import pytest

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.brokers import parse_broker_queue

_URL = "nats://h/ORDERS?subject=orders.created"


def test_queue_is_data():
    """A queue survives being stored, with every option."""
    queue = parse_broker_queue(
        _URL, group="me", prefetch=7, ack_wait="2m", max_deliveries=3, partition="{body.p}", key="{id}"
    )
    assert msgspec.json.decode(msgspec.json.encode(queue), type=BrokerQueue) == queue
    assert msgspec.json.decode(msgspec.json.encode(queue))["type"] == "queue"
    assert queue.ack_wait == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"group": "a b"}, "group of consumers"),
        ({"group": "x" * 81}, "group of consumers"),
        ({"prefetch": 0}, "0 is not a whole number"),
        ({"ack_wait": "10ms"}, "ack_wait"),
        ({"ack_wait": "13h"}, "ack_wait"),
        ({"ack_wait": 1.5}, "ack_wait"),
        ({"max_deliveries": "many"}, "'many'"),
        ({"body": "xml"}, "'xml'"),
        ({"partition": "{body[0]}"}, "plain name"),
    ],
)
def test_option_that_cannot_be_used_is_refused(options, words):
    """Each bad value is an error that names it."""
    with pytest.raises(OptionError, match=words.replace("[", r"\[")):
        parse_broker_queue(_URL, **options)


def test_template_with_an_unknown_name_is_refused():
    """Templates know the parts of a message and nothing else."""
    with pytest.raises(UnknownNameError, match="'payload'"):
        parse_broker_queue(_URL, key="{payload.id}")


def test_group_is_made_of_the_automation():
    """Every broker takes the name; two automations never share one by accident."""
    queue = parse_broker_queue(_URL)
    assert queue.group_of("orders") == "mainspring-orders"
    assert queue.group_of("a.b/c") != queue.group_of("a_b/c") != queue.group_of("a_b_c")
    assert queue.group_of("a.b/c").replace("-", "").replace("_", "").isalnum()
    assert len(queue.group_of("x" * 200)) <= 80
    assert parse_broker_queue(_URL, group="mine").group_of("orders") == "mine"


def test_displayed_address_names_the_secret_only():
    """What people see of a queue is its address with the name of the secret."""
    queue = parse_broker_queue("redis://:{secret:CACHE}@h/0?stream=orders")
    assert queue.label == "orders at redis://:{secret:CACHE}@h/0"
    assert queue.secrets == ["CACHE"]
