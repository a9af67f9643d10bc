"""Extraction of an archive into a folder that appears at once and complete."""

import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, BinaryIO

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.archive_members import (
    FILE,
    FOLDER,
    ArchiveFault,
    ArchiveLimits,
    ArchiveMember,
    make_hard_link_fault,
    read_members,
)
from mainspring.actions.files.content import write_all
from mainspring.actions.files.file_errors import FileActionError, locate_root
from mainspring.actions.files.folder_tree import walk_folder
from mainspring.actions.files.packing import read_format
from mainspring.actions.files.place import FilePath, Place, RootPath, read_target
from mainspring.actions.files.temporary import open_temporary_folder, read_umask
from mainspring.store import failpoints
from mainspring.triggers.files.file_archive import has_entry
from mainspring.triggers.files.folder import CHUNK_BYTES, open_folder, printable_path

MAX_BYTES = 1024**3
MAX_ENTRIES = 100_000
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Extraction(msgspec.Struct, frozen=True):
    """The result of `extract`: entries of the archive, bytes of its files, and whether this call extracted them."""

    entries: int
    size: int
    is_new: bool


def extract(
    archive: FilePath,
    to: FilePath,
    *,
    root: RootPath = None,
    max_bytes: int = MAX_BYTES,
    max_entries: int = MAX_ENTRIES,
    make_folders: bool = False,
) -> Extraction:
    """Extract a .tar.gz, .tgz or .zip file into a new folder, which appears at once and complete.

    An archive is refused as a whole if a member has an absolute path, leads out of the folder (by `..` or a link), or is a device; if its
    files have more than `max_bytes`, whatever sizes it states; or if it has more than `max_entries`,
    folders that a path implies included. Rights and owners are not restored.

    Safe to run twice because everything is extracted under a temporary name first. If the folder exists and has each entry of the archive
    with its content, a second call changes nothing. The next call removes what a killed call left behind.

    Example:
        files.extract("inbox/data.zip", "work/data")

    Raises:
        FileActionError, PathOutsideRootError: the archive is refused or damaged, or the folder exists with other content.
        FileUnavailableError: the disk is full.
    """
    refuse_event_loop("files.extract")
    source, target = read_target(archive, root), read_target(to, root)
    format_name, limits = read_format(source), ArchiveLimits(max_bytes, max_entries)
    with (
        source.open("extract") as here,
        os.fdopen(here.open_file(), "rb") as file,
        target.open(f"extract {printable_path(source.text)} to", make_folders=make_folders) as place,
    ):
        try:
            with open_temporary_folder(place) as part:
                is_new = not _is_filled(place)
                if is_new:
                    with open_folder(place.folder, (part,)) as folder:
                        _extract(read_members(file, format_name, limits), folder, limits)
                        _publish(place, part, folder)
                else:
                    _require_same(file, format_name, place, limits)
                    os.fsync(place.folder)
        except ArchiveFault as fault:
            raise FileActionError(
                f"cannot extract {printable_path(source.text)}: {fault}{locate_root(source.root)}",
                hint="Nothing was extracted. Get an archive that contains only files below its own folder.",
            ) from None
    return Extraction(limits.entries, limits.size, is_new)


extract_async = in_thread(extract)


def _is_filled(place: Place) -> bool:
    """Return whether the target exists and is no empty folder. Raises OSError if it is not a folder."""
    status = place.status()
    if status is None:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, "it exists, and is not a folder")
    with open_folder(place.folder, (place.name,)) as folder, os.scandir(folder) as entries:
        return next(entries, None) is not None


def _extract(members: Iterator[ArchiveMember], into: int, limits: ArchiveLimits) -> None:
    """Extract the members into an open folder."""
    links = []
    for member in members:
        if not member.parts:
            raise ArchiveFault("a file of it has no name")
        if member.kind == FOLDER:
            with open_folder(into, member.parts, make=0o777):
                pass
        elif member.kind == FILE:
            _extract_file(member, into, limits)
        else:
            links.append(member)
    for member in links:  # at the end: no file is written through one
        with open_folder(into, member.parts[:-1], make=0o777) as folder:
            _refuse_twice(member, folder)
            os.symlink(member.link, member.parts[-1], dir_fd=folder)


def _extract_file(member: ArchiveMember, into: int, limits: ArchiveLimits) -> None:
    mode = (0o777 if member.is_executable else 0o666) & ~read_umask()
    with open_folder(into, member.parts[:-1], make=0o777) as folder:
        _refuse_twice(member, folder)
        descriptor = os.open(member.parts[-1], _WRITE_FLAGS, mode, dir_fd=folder)
        try:
            write_all(descriptor, limits.read(_find_content(member, into)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    failpoints.hit("files.extracted")


def _find_content(member: ArchiveMember, into: int) -> ArchiveMember:
    """Return the member with its content; that of a hard link is the file that was extracted before it."""
    if not member.copy_of:
        return member

    def open_content() -> IO[bytes]:
        try:
            with open_folder(into, member.copy_of[:-1]) as folder:
                descriptor = os.open(member.copy_of[-1], _READ_FLAGS, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            raise make_hard_link_fault(member.parts) from None
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
        raise make_hard_link_fault(member.parts)

    return member._replace(open=open_content)


def _refuse_twice(member: ArchiveMember, folder: int) -> None:
    if has_entry(member.parts[-1], folder):
        raise ArchiveFault(f"it has {printable_path(member.path)} twice")


def _publish(place: Place, part: str, folder: int) -> None:
    """Give the complete folder its name, once all names in it are on the disk."""
    for entry in walk_folder(folder):
        if stat.S_ISDIR(entry.status.st_mode):
            with open_folder(folder, entry.parts) as below:
                os.fsync(below)
    os.fchmod(folder, 0o777 & ~read_umask())
    os.fsync(folder)
    os.rename(part, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    failpoints.hit("files.published")
    os.fsync(place.folder)


def _require_same(file: BinaryIO, format_name: str, place: Place, limits: ArchiveLimits) -> None:
    """Raise FileActionError unless the folder has each member of the archive, with its content."""
    with open_folder(place.folder, (place.name,)) as folder:
        for member in read_members(file, format_name, limits):
            if not _is_extracted(member, folder, limits):
                raise FileActionError(
                    f"the folder {printable_path(place.text)} exists with other content\n"
                    f"at {printable_path(member.path)}{locate_root(place.root)}",
                    hint="Extract to another folder, or remove this one first: files.remove(folder, recursive=True)",
                )


def _is_extracted(member: ArchiveMember, into: int, limits: ArchiveLimits) -> bool:
    try:
        if member.kind == FOLDER:
            with open_folder(into, member.parts):
                return True
        with open_folder(into, member.parts[:-1]) as folder:
            if member.kind != FILE:
                return os.readlink(member.parts[-1], dir_fd=folder) == member.link
            descriptor = os.open(member.parts[-1], _READ_FLAGS, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as there:
        for chunk in limits.read(_find_content(member, into)):
            if there.read(len(chunk)) != chunk:
                return False
        return not there.read(CHUNK_BYTES)
