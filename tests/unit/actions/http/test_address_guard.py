"""No hostile address is reached, whatever it looks like and whatever its name resolves to."""

import contextlib
import socket
import sys

import pytest

from mainspring.actions import http
from mainspring.actions.http.address_guard import AddressGuard, read_target
from mainspring.app.project import Project
from mainspring.domain.errors import OptionError
from tests.unit.actions.http.hostile_addresses import HOSTILE

RESOLVED = {
    "metadata.google.internal": ["169.254.169.254"],
    "intranet": ["10.1.2.3"],
    "rebound.example": ["93.184.215.14", "127.0.0.1"],
    "scoped.example": ["fe80::1%lo"],
    "public.example": ["127.0.0.1"],
}
_RECORDS: list[list] = []


def _record(event, arguments):
    """Audit hook, which cannot be removed again: it records only while a test listens."""
    if _RECORDS and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        _RECORDS[-1].append((event, arguments))


sys.addaudithook(_record)


@contextlib.contextmanager
def recorded_sockets():
    """Collect each connection and each look-up of this process."""
    records = []
    _RECORDS.append(records)
    try:
        yield records
    finally:
        _RECORDS.remove(records)


def connections(records):
    return [arguments[1] for event, arguments in records if event != "socket.getaddrinfo"]


@pytest.fixture
def resolver(monkeypatch):
    """A resolver that knows the names of `RESOLVED` and reads numbers as the system does. It returns its calls."""
    calls, real = [], socket.getaddrinfo

    def resolve(host, port, *more, **named):
        calls.append(host)
        if host in RESOLVED:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in RESOLVED[host]]
        return real(host, port, *more, **{**named, "flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return calls


def test_hostile_addresses_are_many():
    """At least 150, each once."""
    assert len(set(HOSTILE)) == len(HOSTILE) >= 150


def test_no_hostile_address_is_reached(resolver):
    """No connection is made, and each error says what to do."""
    with recorded_sockets() as records:
        for url in HOSTILE:
            with pytest.raises((http.HttpAddressError, http.HttpNotSentError)) as refused:
                http.get(url, timeout="20s")
            assert refused.value.hint, url
            assert connections(records) == [], url


def test_no_redirect_reaches_a_hostile_address(target, monkeypatch):
    """Each hop is checked again: only the target itself gets connections."""
    target.requests.clear()
    for url in [f"http://{host}/" for host in ("10.0.0.1", "169.254.169.254", "[::1]", "0x7f.1", "[::ffff:10.0.0.1]")]:
        with recorded_sockets() as records, pytest.raises((http.HttpAddressError, http.HttpNotSentError)):
            http.get(f"{target.base}/redirect/1?to={url}", allow=["127.0.0.1"])
        assert {address[1] for address in connections(records)} <= {target.server_port}, url


def test_name_that_changes_its_address_is_read_once(target, monkeypatch):
    """DNS rebinding: the second answer of the resolver is never used."""
    answers = ["93.184.215.14", "127.0.0.1"]
    monkeypatch.setattr("mainspring.resources.action_hosts.ACTION_HOSTS.entries", frozenset())

    def resolve(host, port, *more, **named):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0) if answers else "127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with recorded_sockets() as records, pytest.raises((http.HttpNotSentError, http.HttpTimeoutError)):
        http.get(f"http://rebinding.example:{target.server_port}/echo", timeout="300ms")
    assert {address[0] for address in connections(records)} == {"93.184.215.14"}
    assert target.requests == []


def test_connection_uses_the_checked_address_under_the_name(target, monkeypatch, resolver):
    """The Host header has the name, and the resolver is asked once."""
    reply = http.get(f"http://public.example:{target.server_port}/echo", allow=["public.example"])
    assert reply.json()["headers"]["host"] == f"public.example:{target.server_port}"
    assert resolver.count("public.example") == 1


@pytest.mark.parametrize(
    ("allow", "address", "is_allowed"),
    [
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "172.16.0.1", False),
        (["Build.Internal"], "10.1.2.3", True),
        (["other.internal"], "10.1.2.3", False),
        (["169.254.0.0/16"], "169.254.169.254", False),
        (["build.internal"], "169.254.169.254", False),
        (["build.internal"], "64:ff9b::a9fe:a9fe", False),
        (["build.internal"], "2002:a9fe:a9fe::1", False),
        (["build.internal"], "::ffff:169.254.169.254", False),
        (["169.254.169.254"], "169.254.169.254", True),
        (["fc00::/7"], "fd00:ec2::254", False),
        (["fc00::/7"], "fd00::7", True),
        ([], "64:ff9b::808:808", True),
        ([], "64:ff9b:1::808:808", False),
        ([], "2002:808:808::1", True),
        ([], "93.184.215.14", True),
        ([], "not an address", False),
    ],
)
def test_allow_opens_only_what_it_names(allow, address, is_allowed):
    """A network, an address or a host; services with credentials only by their own address."""
    with (
        contextlib.nullcontext()
        if is_allowed
        else pytest.raises(http.HttpAddressError, match=r"not a public address(.|\n)*restart")
    ):
        AddressGuard(allow).require_allowed("build.internal", [address], "GET http://build.internal/x")


@pytest.mark.parametrize("entry", ["*", "http://a", "10.0.0.1/8", "a:80", "", "1.2.3", "0x7f.1"])
def test_allow_with_an_unusable_entry_is_an_error(entry):
    """A host, an address or a network, and nothing else."""
    with pytest.raises(OptionError, match="not a host"):
        http.get("http://public.example", allow=[entry])


def test_allow_as_text_is_an_error():
    """A text is a sequence of letters, too."""
    with pytest.raises(OptionError, match="allow= is text"):
        http.get("http://public.example", allow="10.0.0.1")


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://Public.Example:80/a?b=c#d", "http://public.example/a?b=c"),
        ("https://public.example:8443", "https://public.example:8443/"),
        ("https://bücher.example/ä?q=ü", "https://xn--bcher-kva.example/%C3%A4?q=%C3%BC"),
        ("https://[2606:2800:021f::0001]/x", "https://[2606:2800:21f::1]/x"),
        ("https://public.example/a%2Fb%20c", "https://public.example/a%2Fb%20c"),
    ],
)
def test_plain_address_is_read_into_its_one_form(url, read):
    """What is checked is what is sent."""
    assert read_target(url).url == read


def test_refused_address_hides_its_password():
    """The error has neither user nor password."""
    with pytest.raises(http.HttpAddressError) as refused:
        http.get("http://admin:hunter2hunter2@public.example/")
    assert "hunter2" not in str(refused.value)
    assert "auth=" in str(refused.value)


def test_refused_host_hides_the_secret_of_its_path(monkeypatch):
    """The error names the secret."""
    monkeypatch.setenv("MAINSPRING_SECRET_HOOK", "hook-5b1c77e2")
    monkeypatch.setattr(Project, "_newest", None)
    with pytest.raises(http.HttpAddressError, match="not a public address") as refused:
        http.post("http://127.0.0.1/{secret:HOOK}", json={})
    assert "hook-5b1c77e2" not in str(refused.value)
    assert "{secret:HOOK}" in str(refused.value)


def test_proxy_of_the_environment_gets_no_refused_name(resolver, monkeypatch):
    """A proxy resolves names itself, so they are checked before it is called."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with recorded_sockets() as records, pytest.raises(http.HttpAddressError):
        http.get("http://intranet/")
    assert connections(records) == []


def test_proxy_of_the_environment_is_used(target, monkeypatch):
    """The request goes to the proxy with the whole address, also if this machine does not know the host."""
    monkeypatch.setenv("http_proxy", target.base)
    for host in ("93.184.215.14", "unknown-host.invalid"):
        assert http.get(f"http://{host}/echo").json()["path"] == f"http://{host}/echo"
