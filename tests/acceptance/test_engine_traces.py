"""Runs while their collector is down, slow or broken: they continue at their own pace, and nothing grows."""

import logging
import sys
import time

import pytest

import mainspring as ms
from mainspring.app.setup.tracing import make_tracing
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.extras import install_command
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.secret_store import SecretStore
from tests.acceptance.engine_world import World
from tests.otlp_collector import OtlpCollector

pytestmark = pytest.mark.asyncio
RUNS = 60
LONGEST_S = 60.0
"""What these runs may take on a loaded machine; a collector that held one of them up would make it longer."""
CLOSED_ENDPOINT = "http://127.0.0.1:9"


@pytest.fixture
def tracing(tmp_path):
    def make(endpoint):
        settings = load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1, flags={"otel.endpoint": endpoint})
        return make_tracing(settings, SecretStore.of(None, {}), SystemClock())

    return make


async def work(folder, tracing):
    """Let runs be made, and return how long they and the end took."""
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run, number: int) -> int:
            return await run.step(charge, number)

    started = time.monotonic()
    async with World(folder).engine(registry, tracing=tracing) as engine:
        handles = [await engine.start(order, number) for number in range(RUNS)]
        assert [await handle.result(LONGEST_S) for handle in handles] == list(range(RUNS))
        worked_s = time.monotonic() - started
    return worked_s, time.monotonic() - started - worked_s


async def charge(number: int) -> int:
    return number


@pytest.mark.parametrize("method", ["down", "slow", "broken"])
async def test_runs_do_not_wait_for_their_collector(tmp_path, tracing, method):
    """However it behaves; and a process that ends waits two seconds for it at most."""
    collector = OtlpCollector(
        status=500 if method == "broken" else 200, slow_s=2 * LONGEST_S if method == "slow" else 0.0
    )
    made = tracing(CLOSED_ENDPOINT if method == "down" else collector.endpoint)
    worked_s, ended_s = await work(tmp_path, made)
    collector.close()
    assert worked_s < LONGEST_S
    assert ended_s < LONGEST_S
    assert len(made._queue) <= RUNS * 3
    assert len(collector.requests) <= 3


async def test_a_collector_gets_all(tmp_path, tracing):
    """A worker that ends in order has told of all its runs: the run, its one step, its one stretch of work."""
    collector = OtlpCollector()
    await work(tmp_path, tracing(collector.endpoint))
    collector.close()
    assert collector.names() == {"order": RUNS, "charge": RUNS, "work": RUNS}
    assert {span.resource["deployment.environment.name"] for span in collector.spans} == {"production"}


async def test_a_server_is_listened_to_as_a_file_is(postgres, tracing):
    """Its commits are the same commands."""
    collector = OtlpCollector()
    await work(postgres.new_store(), tracing(collector.endpoint))
    collector.close()
    assert collector.names() == {"order": RUNS, "charge": RUNS, "work": RUNS}


async def test_without_the_extra_runs_continue_and_the_log_states_what_to_install(
    tmp_path, tracing, monkeypatch, caplog
):
    """A worker is worth more than its traces."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    with caplog.at_level(logging.ERROR, "mainspring.traces"):
        await work(tmp_path, tracing(CLOSED_ENDPOINT))
    (logged,) = [record.getMessage() for record in caplog.records if record.name == "mainspring.traces"]
    assert logged.endswith(f"which is not installed. {install_command('otel')}")
