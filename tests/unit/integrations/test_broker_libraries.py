"""Which library speaks to which broker, and what is said where it is missing."""

import sys

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("nats://h/S", "nats", "nats"),
        ("amqp://h?queue=q", "aio_pika", "amqp"),
        ("redis://h/0?stream=s", "redis", "redis"),
        ("sqs://eu-west-1/q", "boto3", "aws"),
        ("postgresql://h/db?table=t", "psycopg", "postgres"),
    ],
)
def test_missing_library_is_reported_with_the_line_that_installs_it(url, library, extra, monkeypatch):
    """Nothing is imported before a queue names its broker, and then the extra is named."""
    for name in list(sys.modules):
        if name.split(".")[0] == library:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    queue = parse_broker_queue(url)
    with pytest.raises(ConfigError, match=library) as refused:
        open_source(queue, resolve_server(queue.server, str), "g")
    assert refused.value.hint == install_command(extra)
