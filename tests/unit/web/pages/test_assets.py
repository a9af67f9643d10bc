"""What pages are drawn with: served for ever under names that hold their content, and complete."""

import gzip
import re
from importlib.resources import files

import httpx2
import pytest
from starlette.applications import Starlette

from mainspring.web.pages.assets import SCRIPTS, SHEETS, Assets

STATIC = files("mainspring.web") / "static"


async def get(assets, path, **headers):
    transport = httpx2.ASGITransport(Starlette(routes=assets.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.get(path, headers=headers)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("look.css", "text/css"),
        ("pages.js", "text/javascript"),
        ("chart.js", "text/javascript"),
        ("bad.svg", "image/svg+xml"),
    ],
)
async def test_asset_is_served_under_its_hash_only(name, kind):
    """Packed for anyone who takes it packed; another version's name is reported as that."""
    assets = Assets()
    path = assets.path(name)
    plain = await get(assets, path, **{"accept-encoding": "identity"})
    assert plain.headers["content-type"].startswith(kind)
    assert plain.headers["cache-control"].endswith("immutable")
    packed = await get(assets, path)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    stem, _, ending = path.rpartition("-")
    other = await get(assets, f"{stem}-000000000000.{ending.rpartition('.')[2]}")
    assert (other.status_code, "another version" in other.text) == (404, True)


def test_every_sheet_and_script_is_in_an_asset():
    """None lies there that no one gets."""
    assert {path.name for path in (STATIC / "css").iterdir()} == {f"{name}.css" for name in SHEETS}
    assert {path.name for path in (STATIC / "js").iterdir()} == {f"{name}.js" for name in (*SCRIPTS, "chart")}


def test_scripts_of_others_are_there():
    """Fetched while the package was built: without them no page moves by itself."""
    assert "htmx" in (STATIC / "vendor" / "htmx.min.js").read_text(encoding="utf-8")
    assert "uPlot" in (STATIC / "vendor" / "uPlot.iife.min.js").read_text(encoding="utf-8")


@pytest.mark.asyncio
async def test_first_load_is_light():
    """As sent: sheet and script of a page, packed."""
    assets = Assets()
    data = [gzip.compress((await get(assets, assets.path(name))).content) for name in ("look.css", "pages.js")]
    assert sum(map(len, data)) < 60_000
    assert not re.search(rb"https?://(?!www\.w3\.org)", (await get(assets, assets.path("look.css"))).content)
