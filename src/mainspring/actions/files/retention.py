"""Retention of files in a folder: by age and by count."""

import contextlib
import fnmatch
import os
import stat
import time
from typing import NamedTuple

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.file_errors import describe_errors
from mainspring.actions.files.place import FilePath, RootPath, folder_target
from mainspring.actions.files.temporary import is_temporary, remove_leftovers
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import OptionError
from mainspring.triggers.files.folder import open_folder, printable_path


class Pruning(msgspec.Struct, frozen=True):
    """The result of `prune`: printable names of the removed files (of a dry run: to remove), their bytes, and how many files stay."""

    removed: list[str]
    size: int
    remaining: int


class _AgedFile(NamedTuple):
    modified_ns: int
    name: str
    size: int


def prune(
    folder: FilePath,
    *,
    older_than: SpanInput | None = None,
    keep: int | None = None,
    pattern: str = "*",
    dry_run: bool = False,
    root: RootPath = None,
) -> Pruning:
    """Remove old files of a folder: those that were last changed longer ago than `older_than`, except for the newest `keep`.

    With only one of the two options, that one decides. `pattern` = only files whose name matches (`*` does not match a dot at the start).
    Folders, links and everything below folders stay. `dry_run=True` = only list them. Temporary files of killed actions are removed, too.

    Safe to run twice because a second call finds only the files that stay.

    Example:
        files.prune("backups", older_than="30d", keep=7, pattern="*.tar.gz")

    Raises:
        FileActionError, PathOutsideRootError: the folder cannot be read, or a file cannot be removed.
        OptionError: neither option is given, or one cannot be used.
    """
    refuse_event_loop("files.prune")
    if older_than is None and keep is None:
        raise OptionError("prune() has neither older_than= nor keep=", hint='Write older_than="30d", keep=7, or both.')
    if keep is not None and keep < 0:
        raise OptionError(f"keep={keep}: the number of files must be at least 0")
    age_s = None if older_than is None else parse_duration(older_than).total_seconds()
    target = folder_target(folder, root)
    with (
        describe_errors("prune", target.text, target.root),
        open_folder(target.base, target.parts) as descriptor,
    ):
        found = sorted(_list_files(descriptor, pattern), reverse=True)
        before_ns = None if age_s is None else time.time_ns() - int(age_s * 1_000_000_000)
        old = [file for file in found[keep or 0 :] if before_ns is None or file.modified_ns < before_ns]
        if not dry_run:
            for file in reversed(old):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file.name, dir_fd=descriptor)
            remove_leftovers(descriptor)
            os.fsync(descriptor)
    names = [printable_path(file.name) for file in reversed(old)]
    return Pruning(names, sum(file.size for file in old), len(found) - len(old))


prune_async = in_thread(prune)


def _list_files(folder: int, pattern: str) -> list[_AgedFile]:
    found = []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        is_hidden = name.startswith(".") and not pattern.startswith(".")
        if is_hidden or is_temporary(name) or not fnmatch.fnmatchcase(name, pattern):
            continue
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found.append(_AgedFile(status.st_mtime_ns, name, status.st_size))
    return found
