"""A file system that can lose its power: it writes down each write, truncation, sync and deletion of the store's files.

`images(log, ...)` then gives the files as they may be found after a cut: what was synced is there; of what was not, each operation
is there, is not, or is there in part.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

DROPPED, TORN = 0.45, 0.15
SECTOR = 512


class PowerFile(apsw.VFSFile):
    """A file whose operations are written down."""

    def __init__(self, vfs: "PowerVFS", name: Any, flags: list[int]) -> None:
        self._log = vfs.log
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path).name if path else ""
        super().__init__(vfs.base_name, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._log.append(("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._log.append(("truncate", self._name, size, b""))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._log.append(("sync", self._name, 0, b""))


class PowerVFS(apsw.VFS):
    """The system's files, watched. While it is registered every new connection uses it."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, int, bytes]] = []
        self.base_name = "unix"
        super().__init__("mainspring-power", self.base_name, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> PowerFile:
        return PowerFile(self, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        super().xDelete(name, sync)
        self.log.append(("delete", Path(name).name, 0, b""))


class _File:
    """What is safe of one file, and what was done to it since."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.exists = False
        self.since: list[tuple[str, int, bytes]] = []

    def sync(self) -> None:
        for kind, offset, data in self.since:
            _apply(self.safe, kind, offset, data)
        self.exists |= bool(self.since)
        self.since.clear()

    def cut(self, dice: random.Random) -> bytes | None:
        found, exists = bytearray(self.safe), self.exists
        for kind, offset, whole in self.since:
            data, luck = whole, dice.random()
            if luck < DROPPED:
                continue
            exists = True
            if luck < DROPPED + TORN and kind == "write":
                data = data[: dice.randrange(0, len(data) + 1, SECTOR) or len(data) // 2]
            _apply(found, kind, offset, data)
        return bytes(found) if exists else None


def _apply(image: bytearray, name: str, offset: int, data: bytes) -> None:
    if name == "truncate":
        del image[offset:]
        image.extend(bytes(offset - len(image)))
    else:
        image.extend(bytes(max(0, offset - len(image))))
        image[offset : offset + len(data)] = data


def images(
    log: list[tuple[str, str, int, bytes]], cuts: list[int], dice: random.Random
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Give for each cut (sorted positions in the log) the files that may be found after it."""
    files: dict[str, _File] = {}
    position = 0
    for cut in cuts:
        while position < cut:
            kind, name, offset, data = log[position]
            position += 1
            if kind == "delete":
                files.pop(name, None)
                continue
            file = files.setdefault(name, _File())
            if kind == "sync":
                file.sync()
            else:
                file.since.append((kind, offset, data))
        found = {name: image for name, file in files.items() if (image := file.cut(dice)) is not None}
        yield cut, found
