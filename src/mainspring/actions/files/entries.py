"""Entries of folders: move, rename and remove them, and make folders."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.content import copy_content
from mainspring.actions.files.file_errors import FileActionError, describe_errors
from mainspring.actions.files.place import FilePath, Place, RootPath, make_folder, read_target, require_path
from mainspring.actions.files.temporary import remove_tree, temporary_name
from mainspring.store import failpoints
from mainspring.triggers.files.file_archive import has_entry, place_file
from mainspring.triggers.files.folder import FileStamp, printable_path


def move(
    source: FilePath, to: FilePath, *, root: RootPath = None, replace: bool = False, make_folders: bool = False
) -> bool:
    """Move a file or folder to another path; return whether this call moved it. Both paths are confined by `root`.

    Without `replace=True` a target with other content is an error. A file may be moved to another disk, a folder may not.

    Safe to run twice because a file is always complete under one of its names. If the source is gone and the target exists, it was moved
    before. A file whose copy arrived, but whose old name was not removed, loses the old name.

    Example:
        files.move("inbox/orders.csv", "done/orders.csv", make_folders=True)

    Raises:
        FileActionError, PathOutsideRootError: neither path exists, or the target has other content.
        FileUnavailableError: the disk is full, or another program writes to the file.
    """
    refuse_event_loop("files.move")
    origin, target = read_target(source, root), read_target(to, root)
    with (
        origin.open("move") as here,
        target.open(f"move {printable_path(origin.text)} to", make_folders=make_folders) as place,
    ):
        return _move(here, place, replace=replace)


move_async = in_thread(move)


def rename(path: FilePath, name: str, *, root: RootPath = None, replace: bool = False) -> bool:
    """Give a file or folder another name in its folder; return whether this call renamed it.

    Safe to run twice because it is a move: if the old name is gone and the new one exists, it was renamed before.

    Example:
        files.rename("reports/draft.csv", "final.csv")

    Raises:
        FileActionError, PathOutsideRootError: neither name exists, or the new name exists with other content.
    """
    refuse_event_loop("files.rename")
    if "/" in require_path(name, argument="name=") or name in ("", ".", ".."):
        raise FileActionError(
            f"{printable_path(name)!r} is not a name of a file",
            hint="To move it to another folder: files.move(path, to)",
        )
    with read_target(path, root).open("rename") as here:
        return _move(here, here._replace(name=name), replace=replace)


rename_async = in_thread(rename)


def ensure_folder(path: FilePath, *, root: RootPath = None) -> bool:
    """Create a folder and the folders above it, unless they exist; return whether this call created it.

    Safe to run twice because an existing folder is left as it is.

    Example:
        files.ensure_folder("reports/2026")

    Raises:
        FileActionError, PathOutsideRootError: it cannot be created, or a file has this name.
        FileUnavailableError: the disk is full.
    """
    refuse_event_loop("files.ensure_folder")
    target = read_target(path, root)
    if not target.parts:
        with describe_errors("create the folder", target.text, target.root):
            return make_folder(Path(target.base))
    with target.open("create the folder", make_folders=True) as place:
        is_created = True
        try:
            os.mkdir(place.name, dir_fd=place.folder)
        except FileExistsError:
            status, is_created = place.status(), False
            is_link = status is not None and stat.S_ISLNK(status.st_mode)
            is_link_to_folder = is_link and root is None and Path(target.absolute).is_dir()
            if not is_link_to_folder and (status is None or not stat.S_ISDIR(status.st_mode)):
                raise OSError(errno.ENOTDIR, "it exists, and is not a folder") from None
        os.fsync(place.folder)
        return is_created


ensure_folder_async = in_thread(ensure_folder)


def remove(path: FilePath, *, root: RootPath = None, recursive: bool = False) -> bool:
    """Remove a file, a link or an empty folder; return whether this call removed it. A link is removed, not what it names.

    `recursive=True` = also remove a folder with its content. Its name is gone at once.

    Safe to run twice because a missing path is no error. If a call is killed while it removes a folder, the next call removes the rest.

    Example:
        files.remove("reports/draft.csv")

    Raises:
        FileActionError, PathOutsideRootError: it cannot be removed, or is a folder with content.
    """
    refuse_event_loop("files.remove")
    with read_target(path, root).open("remove") as place:
        part = temporary_name(place.name, "removed")
        if recursive and has_entry(part, place.folder):
            remove_tree(part, place.folder)
        try:
            is_removed = _remove_once(place, part, recursive=recursive)
        except FileNotFoundError:  # another call was faster
            is_removed = False
        os.fsync(place.folder)
        return is_removed


remove_async = in_thread(remove)


def _remove_once(place: Place, part: str, *, recursive: bool) -> bool:
    """Remove an entry, a folder under its temporary name. Raises OSError, also if another call removes it at the same time."""
    status = place.status()
    if status is None:
        return False
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(place.name, dir_fd=place.folder)
    elif not recursive:
        os.rmdir(place.name, dir_fd=place.folder)
    else:
        os.rename(place.name, part, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        failpoints.hit("files.hidden")
        os.fsync(place.folder)
        remove_tree(part, place.folder)
    return True


def _move(source: Place, place: Place, *, replace: bool) -> bool:
    try:
        return _move_once(source, place, replace=replace)
    except FileNotFoundError:  # another call has moved it meanwhile, or there is none
        return _move_once(source, place, replace=replace)


def _move_once(source: Place, place: Place, *, replace: bool) -> bool:
    status, there = source.status(), place.status()
    if status is None:
        if there is None:
            raise FileNotFoundError(errno.ENOENT, "neither source nor target exists")
        os.fsync(place.folder)
        return False
    if source.is_at(place):
        return False
    if stat.S_ISDIR(status.st_mode):
        if there is not None and not replace:
            raise OSError(errno.EEXIST, "the target exists")
        os.rename(source.name, place.name, src_dir_fd=source.folder, dst_dir_fd=place.folder)
    elif there is None or _identity(there) == _identity(status):
        _place(source, place)
    elif replace:
        _replace(source, place)
    else:
        copy_content(source, place, replace=False)
        _unlink_unchanged(source, status)
    failpoints.hit("files.moved")
    os.fsync(place.folder)
    os.fsync(source.folder)
    return True


def _place(source: Place, place: Place) -> None:
    """Give a file its new name and remove the old one; never over another file."""
    status = os.stat(source.name, dir_fd=source.folder, follow_symlinks=False)
    try:
        place_file(source.name, source.folder, place.folder, iter([place.name]))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_content(source, place, replace=False)
        _unlink_unchanged(source, status)
        return
    found = place.status()
    if found is None or _identity(found) != _identity(status):
        raise OSError(errno.EEXIST, "another program has created the target")
    failpoints.hit("files.linked")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source.name, dir_fd=source.folder)


def _replace(source: Place, place: Place) -> None:
    place.require_replaceable()
    status = os.stat(source.name, dir_fd=source.folder, follow_symlinks=False)
    try:
        os.rename(source.name, place.name, src_dir_fd=source.folder, dst_dir_fd=place.folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_content(source, place, replace=True)
        _unlink_unchanged(source, status)


def _unlink_unchanged(source: Place, status: os.stat_result) -> None:
    """Remove the old name of a copied file, unless another program changed the file meanwhile."""
    now = source.status()
    if now is not None and FileStamp.of(now) != FileStamp.of(status):
        raise OSError(errno.EBUSY, "another program writes to it")
    failpoints.hit("files.copied")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source.name, dir_fd=source.folder)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
