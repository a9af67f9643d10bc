"""`make golden`: keep journals and stores of the present version, for every later version to be tried on.

They are made once, with the release: no later code can make them again. Before the release they may be recreated with AGAIN=1. The
automations are those of the version before; new ones are added to the new folder's file, never to an old one's.
"""

import asyncio
import lzma
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw
import msgspec

import mainspring
from tests.acceptance.engine_world import AT_ONCE, World
from tests.golden.stage import HERE, Journal, Recording, Stage, calls, load, versions
from tests.postgres_server import PostgresServer

ROOT = HERE.parents[1]
_DATABASE = "golden"


def main(arguments: list[str]) -> int:
    """Record the present version, in a copy whose place says nothing of this machine; return the exit code."""
    folder = HERE / ("v" + mainspring.__version__.replace(".", "_"))
    if (folder / "journals.json").exists() and not os.environ.get("AGAIN"):
        sys.stderr.write(f"golden: {folder} is there already. Before its release it may be recorded again: AGAIN=1\n")
        return 1
    folder.mkdir(exist_ok=True)
    if not (folder / "automations.py").exists():
        *_, before = (other for other in versions() if other != folder)
        shutil.copy(before / "automations.py", folder)
    if arguments == ["here"]:
        _record(folder)
        return 0
    copy = Path(tempfile.gettempdir()) / "mainspring-golden"
    copy.mkdir()
    try:
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        env = {**os.environ, "PYTHONPATH": str(copy / "src"), "AGAIN": "1"}
        subprocess.run([sys.executable, "-m", "tests.golden.record", "here"], cwd=copy, env=env, check=True)
        for path in sorted((copy / folder.relative_to(ROOT)).glob("*.*")):
            shutil.copy(path, folder)
    finally:
        shutil.rmtree(copy)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    sys.stdout.write(f"golden: {folder.name} is kept: {size / 1024:.0f} KiB\n")
    return 0


def _record(folder: Path) -> None:
    socket.gethostname = lambda: "golden"
    stored = {"sqlite": _on_a_file(folder), "postgres": _on_a_server(folder)}
    (folder / "kept.json").write_bytes(msgspec.json.format(msgspec.json.encode(stored, order="deterministic")))


def _on_a_file(folder: Path) -> Recording:
    with tempfile.TemporaryDirectory(prefix="mainspring-golden-") as name:
        place = Path(name)
        stored, journals = asyncio.run(_played(folder, World(place)))
        connection = apsw.Connection(str(place / "state.db"))
        connection.execute("update sessions set lock_path = '/sessions/' || id")
        connection.execute("vacuum into ?", (str(place / "kept.db"),))
        connection.close()
        (folder / "store.db.xz").write_bytes(lzma.compress((place / "kept.db").read_bytes(), preset=9))
    (folder / "journals.json").write_bytes(b"[" + b",\n".join(map(msgspec.json.encode, journals)) + b"]\n")
    return stored


def _on_a_server(folder: Path) -> Recording:
    server = PostgresServer().start()
    try:
        server.make_database(_DATABASE)
        stored, _ = asyncio.run(_played(folder, World(server.url(_DATABASE))))
        server.execute("update mainspring.sessions set lock_path = '/sessions/' || id", _DATABASE)
        text = re.sub(r"(?m)^(--.*|\\.*|SET .*;|SELECT pg_catalog.set_config.*)?\n", "", server.dump(_DATABASE))
        (folder / "store.sql.xz").write_bytes(lzma.compress(text.encode(), preset=9))
    finally:
        server.remove()
    return stored


async def _played(folder: Path, world: World) -> tuple[Recording, list[Journal]]:
    """Play all scenes of a version, then let the worker be gone as after `kill -9`."""
    module, registry = load(folder)
    async with world.engine(registry, AT_ONCE) as engine:
        stage = Stage(engine, module)
        runs = {scene["name"]: await stage.begin(scene) for scene in module.SCENES}
        journals = stage.journals()
        await engine.die()
    return Recording(runs, sorted(calls(module))), journals


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
