"""Assets of the pages: a style sheet, two scripts and icons, built at the start and served under names that contain their hash.

`static/css` and `static/js` are our own; `static/vendor` is fetched from npm while the package is built (hatch_build.py). Without a build
pages work too, but do not update themselves.
"""

import functools
import gzip
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

ASSETS_PATH: Final = "/assets/"
"""The public path of all assets: they contain nothing of a project."""
SHEETS: Final = ("tokens", "base", "forms", "tables", "parts", "run", "charts", "print")
SCRIPTS: Final = ("live", "times", "keys", "copy")
ICONS: Final = ("good.svg", "warn.svg", "bad.svg")
"""Icons of the browser tab."""
VENDOR: Final = {"htmx": "htmx.min.js", "chart": "uPlot.iife.min.js", "chart-look": "uPlot.min.css"}
_SCRIPT, _SHEET = "text/javascript", "text/css"
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


class Asset(NamedTuple):
    """One file as it is served."""

    name: str
    media_type: str
    data: bytes
    packed: bytes


class Assets:
    """The assets of a web process."""

    def __init__(self, folder: Traversable | None = None) -> None:
        static = files("mainspring.web") / "static" if folder is None else folder
        sheets = [_read_text(static / "css" / f"{name}.css") for name in SHEETS]
        scripts = [
            _read_text(static / "vendor" / VENDOR["htmx"]),
            *(_read_text(static / "js" / f"{name}.js") for name in SCRIPTS),
        ]
        chart = [_read_text(static / "vendor" / VENDOR["chart"]), _read_text(static / "js" / "chart.js")]
        assets = {
            "look.css": _build_asset("look", "css", [*sheets, _read_text(static / "vendor" / VENDOR["chart-look"])]),
            "pages.js": _build_asset("pages", "js", scripts),
            "chart.js": _build_asset("chart", "js", chart),
        }
        assets |= {name: _read_icon(static / "marks" / name) for name in ICONS}
        self._names = {name: asset.name for name, asset in assets.items()}
        self._files = {asset.name: asset for asset in assets.values()}

    def path(self, name: str) -> str:
        """Return the path of "look.css", "pages.js" or "chart.js". Raises KeyError: there is no such asset."""
        return f"{ASSETS_PATH}{self._names[name]}"

    def routes(self) -> list[Route]:
        """Return the route of the assets."""
        return [Route(f"{ASSETS_PATH}{{name}}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """Return a file. Browsers cache it for ever, because new content has a new name."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse(
                "there is no such file, because it belongs to another version: reload the page\n", 404
            )
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                asset.packed, headers={**_IMMUTABLE, "Content-Encoding": "gzip"}, media_type=asset.media_type
            )
        return Response(asset.data, headers=_IMMUTABLE, media_type=asset.media_type)


def _build_asset(name: str, kind: str, parts: list[str]) -> Asset:
    data = "\n".join(part for part in parts if part).encode()
    digest = hashlib.sha256(data).hexdigest()[:12]
    return Asset(f"{name}-{digest}.{kind}", _SCRIPT if kind == "js" else _SHEET, data, _compress(data))


@functools.lru_cache(maxsize=16)
def _compress(data: bytes) -> bytes:
    """Compress an asset, once per process. It contains nothing of a visitor, so its size reveals nothing."""
    return gzip.compress(data, mtime=0)


def _read_icon(file: Traversable) -> Asset:
    asset = _build_asset(file.name.removesuffix(".svg"), "svg", [_read_text(file)])
    return asset._replace(media_type="image/svg+xml")


def _read_text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
