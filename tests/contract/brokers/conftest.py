"""One server of each broker for the whole session, and consumers that end with their test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.brokers.server import BrokerServer
from tests.brokers.servers import BROKERS, start_broker
from tests.contract.brokers.consumers import RunningConsumers


@pytest.fixture(scope="session")
def brokers() -> Iterator[dict[str, BrokerServer]]:
    """Those that were started; kept here, for tests come in any order."""
    started: dict[str, BrokerServer] = {}
    yield started
    for server in started.values():
        server.remove()


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(f"broker-{name}")) for name in BROKERS])
def broker(request: pytest.FixtureRequest, brokers: dict[str, BrokerServer]) -> BrokerServer:
    if request.param not in brokers:
        brokers[request.param] = start_broker(request.param)
    return brokers[request.param]


@pytest_asyncio.fixture
async def consumers(broker: BrokerServer) -> AsyncIterator[RunningConsumers]:
    found = RunningConsumers(broker)
    yield found
    await found.close()
