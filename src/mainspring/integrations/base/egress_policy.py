"""Egress policy: which configured addresses this process may call. Only public ones, or those allowed by name.

It is for addresses that lead out of the project (webhooks to people, the watchdog, a provider of identities): a name that resolves to an
address inside, such as the metadata service of a cloud, is refused (`pinned_client`).
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from mainspring.domain.redaction.secret_url import LOOPBACK_HOSTS
from mainspring.domain.text.ip_networks import IpAddress, IpNetworks, parse_address

_PRIVATE_NETWORKS: Final = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3"),
        *(
            "::/8",
            "100::/64",
            "fc00::/7",
            "fe80::/9",
            "ff00::/8",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
        ),
    )
]
"""Networks that are not public, even if an older Python classifies one of them as public."""
_NAT64, _6TO4 = ip_network("64:ff9b::/32"), ip_network("2002::/16")


class EgressPolicy:
    """The policy of a process. `allow` adds networks that are not public and may be called all the same."""

    def __init__(self) -> None:
        self._allowed: frozenset[str] = frozenset()
        self._networks = IpNetworks(())

    def allow(self, networks: Iterable[str]) -> None:
        """Allow these networks from now on, and those that were allowed before."""
        self._allowed |= frozenset(networks)
        self._networks = IpNetworks(self._allowed)

    def refusal(self, host: str, addresses: Iterable[str]) -> str | None:
        """Return why a host with these addresses may not be called; None = it may. Loopback may if the host is written so."""
        for text in addresses:
            address = parse_address(text)
            is_named_loopback = address is not None and address.is_loopback and host in LOOPBACK_HOSTS
            if address is None or not (is_public_address(address) or text in self._networks or is_named_loopback):
                return f"{host} is {text}, which is not a public address: allow it in project.allowed_networks"
        return None


def is_public_address(address: IpAddress) -> bool:
    """Return whether anyone may be at an address; one of IPv6 that contains one of IPv4 counts as that."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public_address(IPv4Address(address.packed[-4:]))
        if address in _6TO4:
            return is_public_address(IPv4Address(address.packed[2:6]))
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local)
        and not any(address in network for network in _PRIVATE_NETWORKS)
    )


EGRESS_POLICY = EgressPolicy()
"""The policy of this process."""
