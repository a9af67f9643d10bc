"""The slow-client attacks in their long form: 200 attackers for a minute, and programs are answered within a second throughout.

They keep both cores busy, and measure how long others wait: for MAINSPRING_CRASH_ALL=1, by themselves. The short form is
tests/acceptance/test_slow_clients.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_clients
from tests.acceptance.slow_client_site import HOST, Attacked, ask_under_attack
from tests.acceptance.test_roles import Site
from tests.free_port import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.environ.get("MAINSPRING_CRASH_ALL") != "1", reason="make torture attacks for a minute"),
]
ATTACKERS, LONG_S, WITHIN_S = 200, 60.0, 1.0


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[Attacked]:
    site = Site(tmp_path, str(tmp_path / "s.db"))
    site.env["MAINSPRING_HOOKS_BIND"] = f"{HOST}:{free_port()}"
    try:
        yield Attacked(site)
    finally:
        site.close()


@pytest.mark.parametrize("listener", ["pages", "webhooks"])
def test_two_hundred_clients_that_never_read_for_a_minute(attacked: Attacked, listener: str) -> None:
    """Pipelined assets, pages, probes and unknown paths: others are answered within a second at the 99th percentile."""
    port, request = (attacked.site.port, attacked.api) if listener == "pages" else (attacked.hooks, attacked.health)
    paths = (
        [attacked.asset, attacked.asset, "/sign-in", "/healthz"] if listener == "pages" else ["/healthz", "/nothing"]
    )
    requests = [attacked.pipelined(paths[n % len(paths)]) for n in range(ATTACKERS)]
    statuses, times = ask_under_attack(requests, port, request, LONG_S)
    print(f"{listener}: {len(times)} answers, p99 {slow_clients.p99(times):.3f} s, worst {max(times):.3f} s")
    assert set(statuses) == {200}
    assert slow_clients.p99(times) < WITHIN_S
