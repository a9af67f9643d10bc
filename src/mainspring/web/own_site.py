"""What browsers see of this web process: its origin and sub-path, its cookie, whether a request comes from its own pages, and whence."""

import hashlib
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from mainspring.config.web_settings import WebSettings
from mainspring.domain.access import LASTS_MS

_MARK = 8


class OwnSite:
    """Made of `[web]`. A proxy in front takes the path of `web.public_url` off: routes do not know it, links do."""

    def __init__(self, web: WebSettings) -> None:
        public = urlsplit(web.public_url or "")
        self.base = public.path.rstrip("/")
        self.is_secure = public.scheme == "https"
        self._is_behind = web.public_url is not None
        self._origin = f"{public.scheme}://{public.netloc}" if public.netloc else None
        # Ports do not part cookies: two projects on one host would sign each other out.
        mark = hashlib.sha256((web.public_url or web.bind).encode()).hexdigest()[:_MARK]
        self.cookie = f"__Host-mainspring-{mark}" if self.is_secure else f"mainspring-{mark}"

    def is_own(self, request: Request) -> bool:
        """Tell whether a page of ours, or a tool that says so, sent this; who says nothing is somebody else."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            return site == "same-origin"
        here = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        return origin is not None and origin in (self._origin, here)

    def address(self, request: Request) -> str:
        """Return from where a request came: behind a proxy, whom that proxy names last."""
        direct = request.client.host if request.client is not None else ""
        if not (self._is_behind and _is_near(direct)):
            return direct
        named = _last(request.headers)
        return named if named and _is_address(named) else direct

    def keep(self, response: Response, key: str) -> None:
        """Give the browser a session's key."""
        response.set_cookie(
            self.cookie,
            key,
            max_age=LASTS_MS // 1_000,
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


def _last(headers: Headers) -> str:
    said = headers.getlist("x-forwarded-for")
    return said[-1].rpartition(",")[2].strip() if said else ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_near(text: str) -> bool:
    """Tell whether this can be a proxy of ours: only that may say for whom it asks."""
    try:
        return ip_address(text).is_private
    except ValueError:
        return False
