"""How much is installed: the packages that a core install brings, and their files, beside a peer's."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.figure import Figure

OWN = Path(__file__).resolve().parent.parent / "src" / "mainspring"


def figures() -> list[Figure]:
    """Counted from what this environment installed, without extras; compiled .pyc files are left out on both sides."""
    ours, peers = _closure("mainspring"), _closure("dbos")
    mib = (sum(map(_size, ours - {"mainspring"})) + _own_size()) / 2**20
    peer_mib = sum(map(_size, peers)) / 2**20
    return [
        Figure(name="packages of a core install", unit="packages", ours=len(ours), peer=len(peers), peer_name="DBOS"),
        Figure(
            name="size of a core install", unit="MiB", ours=mib, peer=peer_mib, peer_name="DBOS", note="without .pyc"
        ),
    ]


def _closure(name: str) -> set[str]:
    """Return the package and all that it needs here, extras left out."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        package = re.sub(r"[-_.]+", "-", ahead.pop()).lower()
        try:
            needs = distribution(package).requires or []
        except PackageNotFoundError:  # for another platform or Python
            continue
        if package not in found:
            found.add(package)
            ahead += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in needs if "extra ==" not in need]
    return found


def _size(package: str) -> int:
    files = distribution(package).files or []
    paths = (Path(str(file.locate())) for file in files if not str(file).endswith(".pyc"))
    return sum(path.stat().st_size for path in paths if path.is_file())


def _own_size() -> int:
    """Ours is installed in place, so that its record lists no files."""
    return sum(path.stat().st_size for path in OWN.rglob("*") if path.is_file() and path.suffix != ".pyc")
