"""What browsers see of this web process: its origin and sub-path, its cookie, whether a request comes from its own pages, and whence."""

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
    """Made of `[web]`. `is_alone` = only this machine reaches `web.bind`.

    A proxy in front takes the path of `web.public_url` off: routes do not know it, links do.
    """

    def __init__(self, web: WebSettings, *, is_alone: bool = False) -> None:
        public = urlsplit(web.public_url or "")
        self.base = public.path.rstrip("/")
        self.is_secure = public.scheme == "https"
        self._hosts = AllowedHosts(web.bind, web.public_url, web.allowed_hosts, is_loopback=is_alone)
        self._proxies = IpNetworks(web.trusted_proxies)
        self._origin = f"{public.scheme}://{public.netloc}" if public.netloc else None
        # Ports do not part cookies: two projects on one host would sign each other out.
        mark = hashlib.sha256((web.public_url or web.bind).encode()).hexdigest()[:_MARK_BYTES]
        self.cookie = f"__Host-mainspring-{mark}" if self.is_secure else f"mainspring-{mark}"

    def is_own(self, request: Request) -> bool:
        """Tell whether a page of ours, or a tool that says so, sent this; who says nothing is somebody else."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            return site == "same-origin"
        here = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        return origin is not None and origin in (self._origin, here)

    def address(self, request: Request) -> str:
        """Return from where a request came: from a trusted proxy, the last address that it names and that is no trusted proxy too."""
        address = request.client.host if request.client is not None else ""
        for named in _list_forwarded_for(request.headers):
            if not self.is_proxy(address) or parse_address(named) is None:
                break
            address = named
        return address

    def allows_host(self, request: Request) -> bool:
        """Tell whether a request calls this site by a name that it has."""
        return self._hosts.allows(request.headers.get("host"))

    def is_proxy(self, address: str) -> bool:
        """Tell whether an address is that of a trusted proxy: only that may say for whom it asks."""
        return address in self._proxies

    def keep(self, response: Response, key: str) -> None:
        """Give the browser a session's key."""
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
        """Take it from the browser."""
        response.delete_cookie(self.cookie, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    def local(self, path: str) -> str:
        """Return a path of ours as browsers ask for it; one that leads elsewhere becomes the front page."""
        plain = path.isprintable() and path.startswith("/") and not path.startswith("//") and "\\" not in path
        return self.base + (path if plain else "/")


def _list_forwarded_for(headers: Headers) -> list[str]:
    """Return the addresses of X-Forwarded-For, the nearest first."""
    said = ",".join(headers.getlist("x-forwarded-for"))
    return [part.strip() for part in reversed(said.split(","))] if said else []
