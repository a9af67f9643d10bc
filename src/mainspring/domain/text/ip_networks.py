"""IP networks of the configuration, such as those of trusted proxies."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mainspring.domain.errors import OptionError

IpAddress = IPv4Address | IPv6Address
_HOST_NAME = re.compile(r"(?!.*(\.\.|\.-|-\.))[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)
_LAST_LABEL_IS_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|\d+)", re.ASCII)


def read_network(text: str) -> str:
    """Return an address or a network in its usual form, such as "10.0.0.0/8".

    Raises:
        OptionError: it is neither.
    """
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        raise OptionError(
            f"{text[:80]!r} is not an address or a network", hint='Write "10.0.0.7", "10.0.0.0/8" or "fd00::/8".'
        ) from None


def read_host_or_network(text: str) -> str:
    """Return the name of a host in small letters, or an address or a network in its usual form.

    Raises:
        OptionError: it is none of these.
    """
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        name = text.strip().lower()
        if is_host_name(name):
            return name
        raise OptionError(
            f"{text[:80]!r} is not a host, an address or a network",
            hint='Write "build.internal", "10.0.0.7", "10.0.0.0/8" or "fd00::/8", without a port.',
        ) from None


def is_host_name(text: str) -> bool:
    """Return whether a text in small letters is the name of a host: ASCII, no dot at its end, and no form of a number."""
    return _HOST_NAME.fullmatch(text) is not None and _LAST_LABEL_IS_NUMBER.fullmatch(text) is None


def parse_address(text: str) -> IpAddress | None:
    """Return an address, one of IPv4 also if it is written as IPv6 (`::ffff:10.0.0.7`); None = the text is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class IpNetworks:
    """A set of networks, to check whether an address is in one of them."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(text) for text in networks]

    def __contains__(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(address in network for network in self._networks)
