"""Packing of a folder into an archive: the same content gives the same bytes."""

import contextlib
import gzip
import hashlib
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Protocol

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.content import choose_mode, describe_file, publish, sync_entry
from mainspring.actions.files.file_errors import FileActionError, describe_errors, locate_root
from mainspring.actions.files.folder_tree import TreeEntry, leads_out, walk_folder
from mainspring.actions.files.place import FilePath, RootPath, Target, folder_target, read_target
from mainspring.actions.files.temporary import open_temporary_file
from mainspring.domain.values.file import File
from mainspring.triggers.files.file_archive import has_content
from mainspring.triggers.files.folder import FileStamp, open_folder, printable_path

TAR, ZIP = "tar", "zip"
FORMATS: Final = {".tar.gz": TAR, ".tgz": TAR, ".zip": ZIP}
_LEVEL = 6
_FIRST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER, _PLAIN, _EXECUTABLE, _LINK = 0o755, 0o644, 0o755, 0o777


def archive(folder: FilePath, to: FilePath, *, root: RootPath = None, make_folders: bool = False) -> File:
    """Pack a folder into a .tar.gz, .tgz or .zip file: the same names and content give the same bytes.

    Times, owners and rights are not stored; whether a file can be executed is. Links are stored if they stay in the folder. The archive
    must not be in the folder.

    Safe to run twice because the archive gets its name only when it is complete and on the disk. A second call finds the same bytes and
    changes nothing.

    Example:
        files.archive("reports/2026", "archive/reports-2026.tar.gz")

    Raises:
        FileActionError, PathOutsideRootError: a folder cannot be read, or has an entry that an archive cannot have.
        FileUnavailableError: the disk is full, or another program writes to one of the files.
    """
    refuse_event_loop("files.archive")
    target = read_target(to, root)
    packer = _PACKERS[read_format(target)]
    source = folder_target(folder, root)
    with target.open(f"archive {printable_path(source.text)} to", make_folders=make_folders) as place:
        with open_temporary_file(place) as descriptor:
            with describe_errors("archive", source.text, source.root):
                entries = list(_require_entries(source, os.fstat(place.folder)))
            with os.fdopen(os.dup(descriptor), "w+b") as file:
                packer(file, source, entries)
                file.flush()
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if has_content(place.name, place.folder, sha256, os.fstat(descriptor).st_size):
                sync_entry(place)
            else:
                publish(place, descriptor, mode=choose_mode(place.status(), None), replace=True)
        return describe_file(place, target, sha256)


archive_async = in_thread(archive)


def read_format(target: Target) -> str:
    """Return the format of an archive, by its name.

    Raises:
        FileActionError: the name has none of the known suffixes.
    """
    for suffix, name in FORMATS.items():
        if target.text.endswith(suffix):
            return name
    raise FileActionError(
        f"the name {printable_path(target.text)} does not name a format of archives{locate_root(target.root)}",
        hint=f"End it with {', '.join(FORMATS)}.",
    )


def _require_entries(source: Target, outside: os.stat_result) -> Iterator[TreeEntry]:
    """Yield the entries of the folder. Raises FileActionError for one that an archive cannot have."""
    with open_folder(source.base, source.parts) as folder:
        _refuse_inside(source, os.fstat(folder), outside)
    for entry in walk_folder(source.base, source.parts):
        mode = entry.status.st_mode
        if stat.S_ISDIR(mode):
            _refuse_inside(source, entry.status, outside)
        elif entry.link is not None and leads_out(entry.parts, entry.link):
            raise _entry_error(source, entry, "it is a link that leads out of the folder")
        elif entry.link is None and not stat.S_ISREG(mode):
            raise _entry_error(source, entry, "it is a pipe, a socket or a device")
        yield entry


def _refuse_inside(source: Target, status: os.stat_result, outside: os.stat_result) -> None:
    if (status.st_dev, status.st_ino) == (outside.st_dev, outside.st_ino):
        raise FileActionError(
            f"the archive would be in the folder {printable_path(source.text)}, and contain itself"
            f"{locate_root(source.root)}",
            hint="Name a place outside of the folder.",
        )


def _entry_error(source: Target, entry: TreeEntry, problem: str) -> FileActionError:
    return FileActionError(
        f"cannot archive {printable_path(source.text)}: {problem}\nat {printable_path(entry.path)}"
        f"{locate_root(source.root)}",
        hint="Remove it from the folder, or archive another folder.",
    )


class _Packer(Protocol):
    def __call__(self, file: BinaryIO, source: Target, entries: Iterable[TreeEntry]) -> None: ...


def _pack_tar(file: BinaryIO, source: Target, entries: Iterable[TreeEntry]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed,
        tarfile.TarFile(
            fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as tar,
    ):
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = _mode_of(entry)
            if stat.S_ISDIR(entry.status.st_mode):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
                tar.addfile(info)
            else:
                with _open_entry(source, entry) as content:
                    info.size = os.fstat(content.fileno()).st_size
                    tar.addfile(info, content)


def _pack_zip(file: BinaryIO, source: Target, entries: Iterable[TreeEntry]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as packed:
        for entry in entries:
            _require_zip_name(source, entry)
            is_folder = stat.S_ISDIR(entry.status.st_mode)
            info = zipfile.ZipInfo(entry.path + ("/" if is_folder else ""), _FIRST_ZIP_DATE)
            info.create_system = 3
            info.external_attr = (stat.S_IFMT(entry.status.st_mode) | _mode_of(entry)) << 16
            info.compress_type = zipfile.ZIP_STORED if is_folder or entry.link is not None else zipfile.ZIP_DEFLATED
            if is_folder:
                packed.writestr(info, b"")
            elif entry.link is not None:
                packed.writestr(info, os.fsencode(entry.link))
            else:
                with _open_entry(source, entry) as content:
                    info.file_size = os.fstat(content.fileno()).st_size
                    with packed.open(info, "w") as writer:
                        while chunk := content.read(1024 * 1024):
                            writer.write(chunk)


_PACKERS: Final[dict[str, _Packer]] = {TAR: _pack_tar, ZIP: _pack_zip}


def _require_zip_name(source: Target, entry: TreeEntry) -> None:
    try:
        f"{entry.path}{entry.link or ''}".encode()
    except UnicodeEncodeError:
        raise _entry_error(source, entry, "its name is not UTF-8, which a zip file cannot have; use .tar.gz") from None


def _mode_of(entry: TreeEntry) -> int:
    if stat.S_ISDIR(entry.status.st_mode):
        return _FOLDER
    if entry.link is not None:
        return _LINK
    return _EXECUTABLE if entry.status.st_mode & stat.S_IXUSR else _PLAIN


@contextlib.contextmanager
def _open_entry(source: Target, entry: TreeEntry) -> Iterator[BinaryIO]:
    """Yield the file of an entry. Raises OSError if it changed since it was listed, or while it was read."""
    with (
        describe_errors("archive", f"{source.text}/{entry.path}", source.root),
        open_folder(source.base, (*source.parts, *entry.parts[:-1])) as folder,
        os.fdopen(os.open(entry.parts[-1], _READ_FLAGS, dir_fd=folder), "rb") as file,
    ):
        if FileStamp.of(os.fstat(file.fileno())) != FileStamp.of(entry.status):
            raise BlockingIOError(11, "another program writes to it")
        yield file
        if FileStamp.of(os.fstat(file.fileno())) != FileStamp.of(entry.status):
            raise BlockingIOError(11, "another program writes to it")
