"""One server of each broker for the whole session, and desks that end with their test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.brokers.server import BrokerServer
from tests.brokers.servers import BROKERS, start_broker
from tests.contract.brokers.desks import Desks


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=pytest.mark.xdist_group(f"broker-{name}")) for name in BROKERS]
)
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerServer]:
    server = start_broker(request.param)
    yield server
    server.remove()


@pytest_asyncio.fixture
async def desks(broker: BrokerServer) -> AsyncIterator[Desks]:
    found = Desks(broker)
    yield found
    await found.close()
