"""The tree of a folder: its files, folders and links in a fixed order, without following a link."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from mainspring.actions.files.temporary import is_temporary
from mainspring.triggers.files.folder import open_folder


class TreeEntry(NamedTuple):
    """One entry below a folder: `parts` of its path, its stat result, and the target of a link (None for other entries)."""

    parts: tuple[str, ...]
    status: os.stat_result
    link: str | None = None

    @property
    def path(self) -> str:
        """The path below the folder."""
        return "/".join(self.parts)


def walk_folder(base: str | int, parts: tuple[str, ...] = ()) -> Iterator[TreeEntry]:
    """Yield the entries below a folder: each folder before its content, names by their bytes. Temporary files of actions are left out.

    `base` = a path, or an open folder.

    Raises:
        OSError: a folder cannot be read.
    """
    waiting = [iter(_list_entries(base, parts, ()))]  # no recursion: a folder may be deeper than the stack of Python
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        yield entry
        if stat.S_ISDIR(entry.status.st_mode):
            waiting.append(iter(_list_entries(base, parts, entry.parts)))


def _list_entries(base: str | int, parts: tuple[str, ...], below: tuple[str, ...]) -> list[TreeEntry]:
    entries = []
    with open_folder(base, (*parts, *below)) as folder:
        with os.scandir(folder) as scanned:
            names = [entry.name for entry in scanned if not is_temporary(entry.name)]
        for name in sorted(names, key=os.fsencode):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            link = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else None
            entries.append(TreeEntry((*below, name), status, link))
    return entries


def leads_out(parts: tuple[str, ...], link: str) -> bool:
    """Return whether a link at `parts` below a folder may lead out of that folder.

    `..` counts only at the start of its target: behind another link it would count from where that link leads.
    """
    names = [name for name in link.split("/") if name not in ("", ".")]
    ups = 0
    while ups < len(names) and names[ups] == "..":
        ups += 1
    return link.startswith("/") or not names or ".." in names[ups:] or ups > len(parts) - 1
