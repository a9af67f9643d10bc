"""The public site of a web process: its origin, sub-path and cookie, the address of a client, and whether its own pages sent a request."""

import hashlib
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from mainspring.config.web_settings import WebSettings
from mainspring.domain.access.permissions import SESSION_LIFETIME_MS
from mainspring.domain.text.ip_networks import IpNetworks, parse_address
from mainspring.web.server.allowed_hosts import AllowedHosts

_MARK_BYTES = 8


class PublicSite:
    """Built from `[web]`. `is_local_only` = only this machine can reach `web.bind`.

    A proxy in front removes the path of `web.public_url`: routes do not contain it, links do.
    """

    def __init__(self, web: WebSettings, *, is_local_only: bool = False) -> None:
        public = urlsplit(web.public_url or "")
        self.base = public.path.rstrip("/")
        self.is_secure = public.scheme == "https"
        self._hosts = AllowedHosts(web.bind, web.public_url, web.allowed_hosts, is_loopback=is_local_only)
        self._proxies = IpNetworks(web.trusted_proxies)
        self._origin = f"{public.scheme}://{public.netloc}" if public.netloc else None
        # Ports do not separate cookies: two projects on one host would sign each other out.
        digest = hashlib.sha256((web.public_url or web.bind).encode()).hexdigest()[:_MARK_BYTES]
        self.cookie = f"__Host-mainspring-{digest}" if self.is_secure else f"mainspring-{digest}"

    def is_own(self, request: Request) -> bool:
        """Return whether a page of this site, or a tool that claims so, sent this; a request without a claim is foreign."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            return site == "same-origin"
        own_origin = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        return origin is not None and origin in (self._origin, own_origin)

    def address(self, request: Request) -> str:
        """Return the client's address: behind trusted proxies, the last address they name that is not a trusted proxy itself."""
        address = request.client.host if request.client is not None else ""
        for named in _list_forwarded_for(request.headers):
            if not self.is_proxy(address) or parse_address(named) is None:
                break
            address = named
        return address

    def allows_host(self, request: Request) -> bool:
        """Return whether a request uses a host name of this site."""
        return self._hosts.allows(request.headers.get("host"))

    def is_proxy(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy: only those may name the client."""
        return address in self._proxies

    def keep(self, response: Response, key: str) -> None:
        """Set the session cookie."""
        response.set_cookie(
            self.cookie,
            key,
            max_age=SESSION_LIFETIME_MS // 1_000,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """Delete the session cookie."""
        response.delete_cookie(self.cookie, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def local(self, path: str) -> str:
        """Return a path of this site for browsers; one that leads elsewhere becomes the front page."""
        is_local = path.isprintable() and path.startswith("/") and not path.startswith("//") and "\\" not in path
        return self.base + (path if is_local else "/")


def _list_forwarded_for(headers: Headers) -> list[str]:
    """Return the addresses of X-Forwarded-For, the nearest first."""
    header = ",".join(headers.getlist("x-forwarded-for"))
    return [part.strip() for part in reversed(header.split(","))] if header else []
