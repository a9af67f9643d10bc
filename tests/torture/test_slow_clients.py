"""The slow-client attacks in their long form: 200 attackers for a minute, and programs are answered within a second throughout.

They keep both cores busy, and measure how long others wait: for TESTS_LONG=1, by themselves. The short form is
tests/acceptance/test_slow_clients.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_clients
from tests.acceptance.slow_client_site import (
    HOST,
    Attacked,
    ask_under_attack,
    ask_with_idle_clients,
    sign_in_under_forms,
)
from tests.acceptance.test_roles import Site
from tests.free_port import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.environ.get("TESTS_LONG") != "1", reason="make torture attacks for a minute"),
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
    assert_answered(listener, *ask_under_attack(requests, port, request, LONG_S))


def test_unfinished_forms_for_a_minute(attacked: Attacked) -> None:
    """20 connections a second that begin a form and never end it: a person signs in, and programs are answered."""
    signed_in, statuses, times = sign_in_under_forms(attacked, LONG_S, 20)
    assert set(signed_in) == {303}
    assert_answered("unfinished forms", statuses, times)


@pytest.mark.parametrize("listener", ["pages", "webhooks"])
def test_idle_connections_for_a_minute(attacked: Attacked, listener: str) -> None:
    """200 connections that ask for nothing, reopened whenever the server ends them."""
    port, request = (attacked.site.port, attacked.api) if listener == "pages" else (attacked.hooks, attacked.health)
    assert_answered(f"idle at {listener}", *ask_with_idle_clients(port, request, LONG_S, ATTACKERS))


def assert_answered(name: str, statuses: list[int], times: list[float]) -> None:
    """Print the figures of the genuine client; each answer must have been good, and 99 of 100 quick."""
    print(f"{name}: {len(times)} answers, p99 {slow_clients.p99(times):.3f} s, worst {max(times):.3f} s")
    assert set(statuses) == {200}
    assert slow_clients.p99(times) < WITHIN_S
