"""The guard of addresses: HTTP actions reach public addresses only, unless `allow=` or the configuration opens a host or a network.

Role: reads an address into its parts, strictly, and evaluates the addresses that its host resolves to. Invariants: no part is read a
second time by another parser; each form of a host that is not a plain name, a plain IPv4 address or an IPv6 address is refused; one
refused address of a host refuses the host.
"""

import unicodedata
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from mainspring.actions.http.errors import HttpAddressError
from mainspring.domain.text.ip_networks import IpAddress, IpNetworks, is_host_name, parse_address, read_host_or_network
from mainspring.integrations.base.egress_policy import is_public_address

_PORTS: Final = {"http": 80, "https": 443}
_LARGEST_PORT = 65_535
_LONGEST_URL = 8_192
_METADATA: Final = frozenset(
    str(ip_address(text))
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Services that give a machine its credentials. A wider network does not allow them, only the address itself."""
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
_NAT64 = ip_network("64:ff9b::/32")
_TEREDO = ip_network("2001::/32")
_DOTS = "\u3002\uff0e\uff61"
"""Full stops of other scripts, which some programs read as dots."""
_SAFE_IN_PATH = "/%:@!$&'()*+,;=-._~?[]"


class CallTarget(NamedTuple):
    """The parts of an address. `path` begins with a slash and includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """The part that credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def place(self) -> str:
        """The address without its query, for people."""
        return self.url.partition("?")[0]


def read_target(url: object) -> CallTarget:
    """Return the parts of an address; its fragment is dropped.

    Raises:
        HttpAddressError: it is not an address that can be used. The error has neither user nor query.
    """
    if not isinstance(url, str) or not url or len(url) > _LONGEST_URL:
        raise _make_url_error(f"expected text of 1 to {_LONGEST_URL:,} characters")
    if "\\" in url or any(ord(char) <= 0x20 or unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in url):
        raise _make_url_error("it has spaces, backslashes, control characters or lone surrogates")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _make_url_error("its host or port is not valid") from None
    if parts.scheme not in _PORTS:
        raise _make_url_error(f"the scheme {parts.scheme[:20]!r} is not http or https")
    if "@" in parts.netloc:
        raise _make_url_error(
            "it has a user or a password", hint='Write auth="secret:NAME", whose value is USER:PASSWORD.'
        )
    text = parts.netloc.rpartition(":")[0] if port is not None or parts.netloc.endswith(":") else parts.netloc
    if port is not None and not 0 < port <= _LARGEST_PORT:
        raise _make_url_error(f"the port {port} is not valid")
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH) + (
        f"?{quote(parts.query, safe=_SAFE_IN_PATH)}" if parts.query else ""
    )
    return CallTarget(parts.scheme, _read_host(text), port or _PORTS[parts.scheme], path)


def _read_host(text: str) -> str:
    """Return the host in its one form: a name in ASCII and small letters, or an address."""
    if text.startswith("[") and text.endswith("]") and "%" not in text:
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise _make_url_error(f"{text[:60]} is not an address of IPv6") from None
    host = text.lower()
    if not host.isascii():
        host = _encode_international(host)
    if is_host_name(host):
        return host
    address = parse_address(host)
    if address is None or str(address) != host:
        raise _make_url_error(
            f"the host {text[:60]!r} is not a plain name or address", hint='Write such as "api.example.com".'
        )
    return host


def _encode_international(host: str) -> str:
    """Return a name with letters of other scripts as DNS has it (xn--...)."""
    import idna

    if unicodedata.normalize("NFKC", host) != host or any(char in host for char in _DOTS):
        raise _make_url_error("the host has characters that stand for others", hint="Write the host in plain letters.")
    try:
        return idna.encode(host).decode("ascii")
    except idna.IDNAError:
        raise _make_url_error("the host is not a valid international name") from None


def _make_url_error(problem: str, *, hint: str = 'Write such as "https://api.example.com/orders".') -> HttpAddressError:
    return HttpAddressError(f"this address cannot be called: {problem}", hint=hint)


class AddressGuard:
    """The rules of one call: public addresses, and what `allow` opens (names of hosts, addresses, networks)."""

    def __init__(self, allow: Iterable[str]) -> None:
        entries = [read_host_or_network(entry) for entry in allow]
        self._hosts = frozenset(entry for entry in entries if is_host_name(entry))
        networks = [entry for entry in entries if entry not in self._hosts]
        self._networks = IpNetworks(networks)
        self._exact = frozenset(str(net.network_address) for net in map(ip_network, networks) if net.num_addresses == 1)

    def require_allowed(self, host: str, addresses: Iterable[str], place: str) -> None:
        """Check all addresses of a host. `place` = the address for people, without secrets.

        Raises:
            HttpAddressError: one of them is neither public nor allowed.
        """
        for text in addresses:
            if not self._is_allowed(host, text):
                found = "" if text == host else f" is {text}, which"
                raise HttpAddressError(
                    f"{place}: the host {host}{found} is not a public address",
                    hint=f'If you trust it, write allow=["{host}"], or [actions.http] allow = ["{host}"] '
                    "in the configuration, and restart `mainspring up`.",
                )

    def _is_allowed(self, host: str, text: str) -> bool:
        address = parse_address(text)
        if address is None or ("%" in text and text.partition("%")[0] not in self._exact):
            return False
        if str(_unwrap(address)) in _METADATA:
            return str(address) in self._exact
        if host in self._hosts or text in self._networks:
            return True
        return is_public_address(address) and address not in _LOCAL_NAT64 and address not in _TEREDO


def _unwrap(address: IpAddress) -> IpAddress:
    """Return the address of IPv4 that a translator would call."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(address.packed[-4:])
        return address.sixtofour or address
    return address
