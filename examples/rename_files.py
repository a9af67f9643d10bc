"""Tidy the names of files: spaces, line ends, capitals, and bytes that are not text.

    mainspring run rename-files -m examples/rename_files.py folder=photos

Teaches: plan once, then do each part in its own step; effects that are safe to repeat after a crash at any moment; never
overwrite; file names are bytes, so they are saved as bytes; `undo`, so that `mainspring runs cancel` puts the old names back.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mainspring as ms


@dataclass(frozen=True)
class Rename:
    """One file: its folder, its old and its new name, as bytes."""

    folder: bytes
    old: bytes
    new: bytes


def plan(folder: str) -> list[Rename]:
    """Decide every name before the first is changed. Two files that would get the same name get different names."""
    where = os.fsencode(folder)
    names = sorted(entry.name for entry in os.scandir(where) if entry.is_file(follow_symlinks=False))
    tidied = {name: tidy(name) for name in names}
    used = Counter(name for name in names if tidied[name] == name)  # unchanged names come first
    renames = []
    for old in names:
        if tidied[old] == old:
            continue
        stem, dot, suffix = tidied[old].partition(b".")
        new, number = tidied[old], 1
        while used[new]:
            number += 1
            new = b"%s-%d%s%s" % (stem, number, dot, suffix)
        used[new] += 1
        renames.append(Rename(where, old, new))
    return renames


def tidy(name: bytes) -> bytes:
    """Return the name as small letters, digits, dots and dashes; letters of other scripts stay."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = name.decode("cp1252", "replace")  # what old Windows programs wrote
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-").encode() or b"unnamed"


def rename(planned: Rename) -> None:
    """Give a file its new name, or find that it has it."""
    _move(_path(planned.folder, planned.old), _path(planned.folder, planned.new))


def restore_name(renamed: Rename, result: None = None) -> None:
    """Give the file its old name."""
    _move(_path(renamed.folder, renamed.new), _path(renamed.folder, renamed.old))


def _path(folder: bytes, name: bytes) -> Path:
    return Path(os.fsdecode(folder)) / os.fsdecode(name)


def _move(old: Path, new: Path) -> None:
    """Link, then unlink: unlike a rename this never overwrites. It is safe to repeat after each part."""
    if not os.path.lexists(old):
        if os.path.lexists(new):
            return  # an earlier attempt did this
        raise ms.Permanent(f"{str(old)!a} is gone", hint="Another program moved or deleted it.")
    try:
        new.hardlink_to(old)
    except FileExistsError:
        if not new.samefile(old):
            raise ms.Permanent(f"{str(new)!a} is taken", hint="Move it away, then: mainspring runs retry") from None
        if old.stat().st_nlink == 1:  # both names are one file: the file system ignores case
            old.rename(new)
            return
    old.unlink()


@ms.workflow(name="rename-files", title="tidy {folder}", on_cancel="undo", on_failure="keep", owner="you")
async def rename_files(run: ms.Run, folder: str) -> int:
    """Rename all files; return their number."""
    renames = await run.step(plan, folder)
    done = await run.options(undo=restore_name).map(rename, renames, concurrency=8, on_error="collect")
    failed = [item for item in done if isinstance(item, ms.ItemFailed)]
    if failed:
        raise ms.Permanent(f"{len(failed)} of {len(renames)} could not be renamed: {failed[0]}")
    return len(renames)
