"""Names of queues to which steps send: short ones by a configured broker, or whole addresses; never with a password."""

import pytest

from mainspring.domain.errors import ArgumentError, ConfigError, OptionError
from mainspring.integrations.brokers import check_broker, check_queue_name, read_queue_address, resolve_queue_address

BROKERS = {
    "whole": "nats://h:4222",
    "stream": "nats://{secret:TOKEN}@h:4222/S",
    "rabbit": "amqp://u:{secret:R}@h:1/vh",
    "valkey": "redis://h:6379/0",
    "sqs": "sqs://eu-west-1?endpoint=http://127.0.0.1:5000",
    "shop": "postgresql://u@h/db?sslmode=require",
}


@pytest.mark.parametrize(
    ("queue", "name", "detail"),
    [
        ("whole/S/a.b", "S", "a.b"),
        ("stream/a.b", "S", "a.b"),
        ("rabbit/q 1", "q 1", ""),
        ("valkey/s/x", "s/x", ""),
        ("sqs/q.fifo", "q.fifo", "http://127.0.0.1:5000"),
        ("shop/out.box", "out.box", "box"),
        ("redis://h/0?stream=s", "s", ""),
    ],
)
def test_queue_is_found_on_its_broker(queue, name, detail):
    """A short name is that queue on the configured broker; an address stays what it is."""
    check_queue_name(queue)
    found = read_queue_address(resolve_queue_address(queue, BROKERS))
    assert (found.name, found.detail) == (name, detail)


@pytest.mark.parametrize("name", BROKERS)
def test_broker_is_accepted(name):
    """Each form of a broker's address can be configured."""
    check_broker(name, BROKERS[name])


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a", "nats://u:p4ss@h/S"),
        ("a", "ftp://h"),
        ("a", "redis://h/0?stream=s"),
        ("A b", "nats://h"),
        ("a", "sqs://nowhere"),
        ("a", "nats://h/S?subject=a"),
    ],
)
def test_broker_that_leads_nowhere_is_refused(name, url):
    """An address without a broker, with a password, or with a queue in it, is no broker's; the password is not repeated."""
    with pytest.raises(OptionError) as caught:
        check_broker(name, url)
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize(
    "queue",
    ["", "x", "x/", "/x", "X/y", "a b/c", "x/a\nb", "x/" + "y" * 1_000, "nats://u:p4ss@h/S?subject=a", "nats://h/S",
     "nats://h/S?subject=a.*", "ftp://h/x", "u:p4ss@h/q", "amqp:u:p4ss@h/q", "u:p4ss@" + "h" * 1_000, "u:p4ss@amqp://h/q", None],
)  # fmt: skip
def test_name_of_no_queue_is_refused(queue):
    """What names no queue, several, or holds a password is refused before it is kept; the password is not repeated."""
    with pytest.raises(ArgumentError) as caught:
        check_queue_name(queue)
    assert "p4ss" not in str(caught.value)


def test_unknown_broker_states_how_to_name_it():
    """A broker that is not configured here is reported with the line that configures it."""
    with pytest.raises(ConfigError, match=r"\[brokers\]"):
        resolve_queue_address("other/q", {})
    with pytest.raises(ConfigError, match="valkey"):
        resolve_queue_address("valky/q", BROKERS)
