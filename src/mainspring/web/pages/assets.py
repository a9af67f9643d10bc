"""What pages are drawn with: one sheet of style and two scripts, put together at the start and served under names that hold their hash.

`static/css` and `static/js` are ours; `static/vendor` is fetched from npm while the package is built (hatch_build.py). In a tree
that was never built pages work all the same, they only do not move by themselves.
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
"""All below it is for everybody: it holds nothing of a project."""
SHEETS: Final = ("tokens", "base", "forms", "tables", "parts", "run", "charts", "print")
SCRIPTS: Final = ("live", "times", "keys", "copy")
ICONS: Final = ("good.svg", "warn.svg", "bad.svg")
"""Icons of the tab."""
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
    """One of a web process."""

    def __init__(self, folder: Traversable | None = None) -> None:
        static = files("mainspring.web") / "static" if folder is None else folder
        looks = [_read_text(static / "css" / f"{name}.css") for name in SHEETS]
        scripts = [
            _read_text(static / "vendor" / VENDOR["htmx"]),
            *(_read_text(static / "js" / f"{n}.js") for n in SCRIPTS),
        ]
        chart = [_read_text(static / "vendor" / VENDOR["chart"]), _read_text(static / "js" / "chart.js")]
        made = {
            "look.css": _build_asset("look", "css", [*looks, _read_text(static / "vendor" / VENDOR["chart-look"])]),
            "pages.js": _build_asset("pages", "js", scripts),
            "chart.js": _build_asset("chart", "js", chart),
        }
        made |= {name: _read_icon(static / "marks" / name) for name in ICONS}
        self._names = {name: asset.name for name, asset in made.items()}
        self._files = {asset.name: asset for asset in made.values()}

    def path(self, name: str) -> str:
        """Return where "look.css", "pages.js" or "chart.js" is served. Raises KeyError: there is no such asset."""
        return f"{ASSETS_PATH}{self._names[name]}"

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [Route(f"{ASSETS_PATH}{{name}}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """Return a file; whoever has it never asks again, for another content has another name."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("there is no such file: it is of another version, so load the page again\n", 404)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                found.packed, headers={**_IMMUTABLE, "Content-Encoding": "gzip"}, media_type=found.media_type
            )
        return Response(found.data, headers=_IMMUTABLE, media_type=found.media_type)


def _build_asset(name: str, kind: str, parts: list[str]) -> Asset:
    data = "\n".join(part for part in parts if part).encode()
    mark = hashlib.sha256(data).hexdigest()[:12]
    return Asset(f"{name}-{mark}.{kind}", _SCRIPT if kind == "js" else _SHEET, data, _compress(data))


@functools.lru_cache(maxsize=16)
def _compress(data: bytes) -> bytes:
    """Compress an asset, once in a process. It holds nothing of a reader, so its size reveals nothing."""
    return gzip.compress(data, mtime=0)


def _read_icon(file: Traversable) -> Asset:
    asset = _build_asset(file.name.removesuffix(".svg"), "svg", [_read_text(file)])
    return asset._replace(media_type="image/svg+xml")


def _read_text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
