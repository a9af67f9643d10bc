"""The allowed host names of a listener on loopback (the Host header).

A page of another site can point its own name at 127.0.0.1 (DNS rebinding); its visitors' browsers then treat us as that site. An
address as a name cannot be rebound, so addresses are always allowed.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from mainspring.domain.text.ip_networks import parse_address

_LOCAL = "localhost"


class AllowedHosts:
    """The names. `is_loopback` = only this machine reaches the listener; else every name is allowed, because it may be the real one."""

    def __init__(self, bind: str, public_url: str | None, more: Iterable[str], *, is_loopback: bool) -> None:
        self._is_loopback = is_loopback
        public = urlsplit(public_url or "").hostname
        self._names = {name.lower() for name in (_host_of(bind), public, *more) if name}

    def allows(self, host: str | None) -> bool:
        """Return whether a request with this Host header is allowed; browsers always send one."""
        return not self._is_loopback or not host or is_local(host) or _host_of(host).lower() in self._names


def is_local(host: str) -> bool:
    """Return whether a Host header is an address, or a name of this machine that no DNS answers."""
    name = _host_of(host).lower().rstrip(".")
    return parse_address(name) is not None or name == _LOCAL or name.endswith(f".{_LOCAL}")


def _host_of(text: str) -> str:
    """Return the host of `host[:port]` or `[v6][:port]`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] or text
