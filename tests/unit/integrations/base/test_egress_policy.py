"""Configured outgoing addresses lead outside: a corpus of addresses inside, against every client that we have for them."""

import asyncio
import socket

import httpx2
import pytest

from mainspring.alerting.watchdog_ping import WatchdogPing
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ArgumentError
from mainspring.domain.text.ip_networks import IpNetworks
from mainspring.integrations.base import egress_policy, http
from mainspring.integrations.base.egress_policy import EgressPolicy
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.web.auth import identity_provider
from tests.ssrf_corpus import CORPUS

RESOLVED = {
    "metadata.google.internal": ["169.254.169.254"],
    "intranet": ["10.1.2.3"],
    "rebound.example": ["93.184.215.14", "127.0.0.1"],
    "outside.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
}


@pytest.fixture
def connected(monkeypatch):
    """Where connections went; none is made. Names are resolved without a network, numbers as the system does."""
    connections, real = [], socket.getaddrinfo

    def resolved(host, port, *more, **named):
        if host in RESOLVED:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in RESOLVED[host]]
        return real(host, port, *more, **named)

    async def connect(self, request):
        connections.append((request.url.host, request.headers["host"], request.extensions.get("sni_hostname")))
        return httpx2.Response(200, content=b"{}")

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", connect)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return connections


def faults():
    return ErrorText(SecretStore.of(None, {}))


async def notify(address):
    """Send as the webhook notifier and all other channels over HTTP do."""
    client = HttpClient(faults(), SystemClock())
    try:
        await client.post(f"https://{address}/x", b"{}", {})
    finally:
        await client.close()


async def ping(address):
    """Give a sign of life to the watchdog."""
    made = WatchdogPing(f"https://{address}/x", faults(), SystemClock())
    await made.beat()
    await made.close()
    if made._logged_fault is not None:
        raise ChannelFault(made._logged_fault)


async def discover(address):
    """Ask a provider of identities what it says of itself."""
    async with identity_provider._make_client() as client:
        await identity_provider._read(client, "GET", f"https://{address}/.well-known/openid-configuration")


CALLS = [notify, ping, discover]


def test_corpus_is_large_enough():
    """A hundred and fifty addresses, each once."""
    assert len(set(CORPUS)) == len(CORPUS) >= 150


@pytest.mark.parametrize("way", CALLS)
def test_no_address_inside_is_called(connected, way):
    """In whatever way it is written, or whatever name leads there; not even where one of a name's addresses is public."""

    async def go():
        for address in CORPUS:
            with pytest.raises((ChannelFault, ArgumentError, httpx2.InvalidURL)):
                await way(address)
            assert connected == [], address

    asyncio.run(go())


@pytest.mark.parametrize("way", CALLS)
def test_connection_goes_to_the_address_that_was_checked(connected, way):
    """Under the name that was asked for, so that certificates count."""
    asyncio.run(way("outside.example"))
    assert connected == [("93.184.215.14", "outside.example", "outside.example")]


@pytest.mark.parametrize("way", CALLS)
def test_networks_that_are_allowed_are_called(connected, monkeypatch, way):
    """And no others; loopback where the address says so itself."""
    monkeypatch.setattr(egress_policy.EGRESS_POLICY, "_networks", IpNetworks(["10.0.0.0/8", "fd00::/8"]))
    asyncio.run(way("intranet"))
    asyncio.run(way("[fd00::1]"))
    asyncio.run(way("127.0.0.1:8080"))
    asyncio.run(way("localhost:8080"))
    assert [host for host, _, _ in connected][:3] == ["10.1.2.3", "fd00::1", "127.0.0.1"]
    with pytest.raises((ChannelFault, ArgumentError)) as refused:
        asyncio.run(way("metadata.google.internal"))
    assert "project.allowed_networks" in str(refused.value)
    assert len(connected) == 4


def test_address_that_does_not_answer_gives_way_to_the_next(monkeypatch, connected):
    """A name with two addresses; the first is dead."""
    tried = []

    async def connect(self, request):
        tried.append(request.url.host)
        if len(tried) == 1:
            raise httpx2.ConnectError("refused")
        return httpx2.Response(200)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", connect)
    asyncio.run(notify("outside.example"))
    assert tried == RESOLVED["outside.example"]


def test_allowed_networks_add_up():
    """What was allowed once stays allowed."""
    made = EgressPolicy()
    assert made.refusal("a", ["10.0.0.1"]) is not None
    made.allow(["10.0.0.0/8"])
    made.allow(["192.168.0.0/16"])
    assert made.refusal("a", ["10.0.0.1", "192.168.0.1", "::ffff:10.0.0.1"]) is None
    assert "172.16.0.1" in str(made.refusal("a", ["10.0.0.1", "172.16.0.1"]))
    assert http.WITHIN_S == 10.0


def test_names_are_checked_before_a_proxy_is_called(connected, monkeypatch):
    """A proxy resolves names itself; what resolves to an address inside here is not asked of it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for address in ("169.254.169.254", "intranet"):
        with pytest.raises(ChannelFault, match="not a public address"):
            asyncio.run(notify(address))
    assert connected == []
