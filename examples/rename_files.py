"""Tidy the names of files: spaces, line ends, capitals, and bytes that are no text at all.

    mainspring run rename-files -m examples/rename_files.py folder=photos

Teaches: plan once, then do each part as a step of its own; effects that are safe to repeat, whatever moment the process died in; never to
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
    """One file: its folder, the name it has and the one it gets, as the bytes they are."""

    folder: bytes
    old: bytes
    new: bytes


def plan(folder: str) -> list[Rename]:
    """Decide every name before the first is changed. Two files that would get one name get different ones."""
    where = os.fsencode(folder)
    names = sorted(entry.name for entry in os.scandir(where) if entry.is_file(follow_symlinks=False))
    wanted = {name: tidy(name) for name in names}
    taken = Counter(name for name in names if wanted[name] == name)  # those that stay as they are come first
    renames = []
    for old in names:
        if wanted[old] == old:
            continue
        stem, dot, suffix = wanted[old].partition(b".")
        new, number = wanted[old], 1
        while taken[new]:
            number += 1
            new = b"%s-%d%s%s" % (stem, number, dot, suffix)
        taken[new] += 1
        renames.append(Rename(where, old, new))
    return renames


def tidy(name: bytes) -> bytes:
    """Return the name as small letters, digits, dots and dashes; letters of other scripts stay."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = name.decode("cp1252", "replace")  # what old Windows programs wrote
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-").encode() or b"unnamed"


def rename(one: Rename) -> None:
    """Give a file its new name, or find that it has it."""
    _move(_path(one.folder, one.old), _path(one.folder, one.new))


def back(one: Rename, result: None = None) -> None:
    """Give it the old one again."""
    _move(_path(one.folder, one.new), _path(one.folder, one.old))


def _path(folder: bytes, name: bytes) -> Path:
    return Path(os.fsdecode(folder)) / os.fsdecode(name)


def _move(old: Path, new: Path) -> None:
    """Link, then unlink: unlike a rename this can never overwrite. Safe to repeat from every point in between."""
    if not os.path.lexists(old):
        if os.path.lexists(new):
            return  # an earlier attempt came this far
        raise ms.Permanent(f"{str(old)!a} is gone", hint="Somebody else moved or deleted it.")
    try:
        new.hardlink_to(old)
    except FileExistsError:
        if not new.samefile(old):
            raise ms.Permanent(f"{str(new)!a} is taken", hint="Move it away, then: mainspring runs retry") from None
        if old.stat().st_nlink == 1:  # one file seen under both names: a file system that ignores case
            old.rename(new)
            return
    old.unlink()


@ms.workflow(name="rename-files", title="tidy {folder}", on_cancel="undo", on_failure="keep", owner="you")
async def rename_files(run: ms.Run, folder: str) -> int:
    """Rename all of them; return how many."""
    renames = await run.step(plan, folder)
    done = await run.options(undo=back).map(rename, renames, concurrency=8, on_error="collect")
    failed = [one for one in done if isinstance(one, ms.ItemFailed)]
    if failed:
        raise ms.Permanent(f"{len(failed)} of {len(renames)} could not be renamed: {failed[0]}")
    return len(renames)
