"""`mainspring up` under clients that never read, never finish their forms, or only hold connections: others are answered all the same."""

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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
SHORT_S, WITHIN_S = 6.0, 15.0
"""Of the short form, which other tests disturb; the long one (tests/torture) takes a minute and wants a second. Without a defence no one
is answered for two minutes."""


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[Attacked]:
    site = Site(tmp_path, str(tmp_path / "s.db"))
    site.env["MAINSPRING_HOOKS_BIND"] = f"{HOST}:{free_port()}"
    try:
        yield Attacked(site)
    finally:
        site.close()


def test_clients_that_never_read_hold_no_places(attacked: Attacked) -> None:
    """105 connections with pipelined assets, and some with pages that no one reads: programs are answered."""
    paths = [attacked.asset] * 105 + ["/sign-in"] * 20
    requests = [attacked.pipelined(path) for path in paths]
    statuses, times = ask_under_attack(requests, attacked.site.port, attacked.api, SHORT_S)
    assert set(statuses) == {200}, statuses
    assert slow_clients.p99(times) < WITHIN_S, sorted(times)[-10:]


def test_clients_that_never_read_hold_no_webhooks(attacked: Attacked) -> None:
    """The same at the listener of webhooks, whose small answers take longer to fill a connection."""
    requests = [attacked.pipelined("/nothing")] * 105
    statuses, times = ask_under_attack(requests, attacked.hooks, attacked.health, SHORT_S)
    assert set(statuses) == {200}, statuses
    assert slow_clients.p99(times) < WITHIN_S, sorted(times)[-10:]


def test_unfinished_forms_of_strangers_leave_sign_in_and_api_to_others(attacked: Attacked) -> None:
    """17 connections a second that begin a form and never end it, from the same address as the person who signs in."""
    signed_in, statuses, times = sign_in_under_forms(attacked, SHORT_S, 17)
    assert set(signed_in) == {303}, signed_in
    assert set(statuses) == {200}, statuses
    assert slow_clients.p99(times) < WITHIN_S, sorted(times)[-10:]


def test_idle_connections_leave_healthz_answering(attacked: Attacked) -> None:
    """900 connections that ask for nothing, at each listener: probes are answered."""
    for port in (attacked.site.port, attacked.hooks):
        statuses, times = ask_with_idle_clients(port, attacked.health, SHORT_S / 2, 900)
        assert set(statuses) == {200}, statuses
        assert slow_clients.p99(times) < WITHIN_S, sorted(times)[-10:]
