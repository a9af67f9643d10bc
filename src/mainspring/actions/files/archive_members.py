"""Members of an archive that is not trusted: checked names, bounded count and size.

Invariants: no member leads out of the folder that it is extracted to; a size that the archive states counts for nothing, the bytes that are
read do.
"""

import contextlib
import gzip
import importlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, Final, NamedTuple

from mainspring.actions.files.folder_tree import leads_out
from mainspring.actions.files.packing import TAR, ZIP
from mainspring.triggers.files.folder import CHUNK_BYTES, printable_path

FOLDER, FILE, LINK = "folder", "file", "link"
_MAX_READ_BYTES = 2 * CHUNK_BYTES
_MAX_LINK_BYTES = 4096
_MAX_DEPTH = 200
_Folders = dict[str, "_Folders"]


def _list_unpacking_errors() -> Iterator[type[Exception]]:
    """Yield the errors of the compressions that this Python has."""
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError")):
        with contextlib.suppress(ImportError):
            yield getattr(importlib.import_module(module), name)


_BROKEN: Final[tuple[type[Exception], ...]] = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError),
    *_list_unpacking_errors(),
)


class ArchiveFault(Exception):
    """The archive is damaged, or has a member that is not extracted. The text is the problem."""


class ArchiveMember(NamedTuple):
    """One member: `parts` of its path, and for a link its target. A hard link is a file that is a `copy_of` an earlier member."""

    parts: tuple[str, ...]
    kind: str
    is_executable: bool
    open: Callable[[], IO[bytes]]
    link: str = ""
    copy_of: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path in the archive."""
        return "/".join(self.parts)


class ArchiveLimits:
    """The limits of one archive: its entries with the folders that their paths imply, and all bytes of its files together."""

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self.size = 0
        self.entries = 0
        self._implied = 0
        self._folders: _Folders = {}

    def count_entry(self, member: ArchiveMember) -> None:
        """Count a member, and the folders of its path. Raises ArchiveFault if there are too many."""
        self.entries += 1
        folders = self._folders
        for part in member.parts[:-1]:
            self._implied += part not in folders
            folders = folders.setdefault(part, {})
        if member.kind == FOLDER and member.parts:
            folders.setdefault(member.parts[-1], {})
        if self.entries + self._implied > self._max_entries:
            raise ArchiveFault(f"it has more than {self._max_entries:,} entries; see max_entries=")

    def read(self, member: ArchiveMember) -> Iterator[bytes]:
        """Yield the content of a file. Raises ArchiveFault if the archive is damaged, or has too many bytes."""
        with read_faults(), member.open() as file:
            while chunk := file.read(CHUNK_BYTES):
                self.size += len(chunk)
                if self.size > self._max_bytes:
                    raise ArchiveFault(f"its files have more than {self._max_bytes:,} bytes; see max_bytes=")
                yield chunk


@contextlib.contextmanager
def read_faults() -> Iterator[None]:
    """Raise errors of a damaged archive as ArchiveFault."""
    try:
        yield
    except ArchiveFault:
        raise
    except _BROKEN as error:
        raise ArchiveFault(f"it is damaged, or no archive: {type(error).__name__}: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ArchiveFault(f"it is damaged, or no archive: {error}") from None


def read_members(file: BinaryIO, format_name: str, limits: ArchiveLimits) -> Iterator[ArchiveMember]:
    """Yield the members of an archive, in its order.

    Raises:
        ArchiveFault: it is damaged, or has a member that is not extracted.
    """
    with read_faults():
        for member in _READERS[format_name](file):
            limits.count_entry(member)
            yield member


class _BoundedReads(gzip.GzipFile):
    """A packed tar file that is read in parts: a header of several gigabytes would be read as a whole."""

    def read(self, size: int | None = -1) -> bytes:
        """Read a part. Raises ArchiveFault if it is too large for one."""
        if size is None or not 0 <= size <= _MAX_READ_BYTES:
            raise ArchiveFault(f"a header of it has more than {_MAX_READ_BYTES:,} bytes")
        return super().read(size)


def _read_tar(file: BinaryIO) -> Iterator[ArchiveMember]:
    with (
        _BoundedReads(fileobj=file) as unpacked,
        tarfile.TarFile(fileobj=unpacked, encoding="utf-8", errors="surrogateescape") as tar,
    ):
        links: dict[tuple[str, ...], str] = {}
        for info in tar:
            parts = _read_parts(info.name)
            if not parts and info.isdir():
                continue
            if info.isdir():
                yield ArchiveMember(parts, FOLDER, is_executable=False, open=_no_content)
            elif info.issym():
                links[parts] = info.linkname
                yield _link(parts, info.linkname)
            elif info.islnk() and (copy_of := _read_hard_link(parts, info.linkname)) in links:
                yield _link(parts, links[copy_of])
            elif info.isreg() or info.islnk():
                # The target of a hard link lies behind: to unpack it again could cost the whole archive for each link.
                copy_of = _read_hard_link(parts, info.linkname) if info.islnk() else ()
                is_executable = bool(info.mode & stat.S_IXUSR)
                yield ArchiveMember(parts, FILE, is_executable, _tar_opener(tar, info), copy_of=copy_of)
            else:
                raise ArchiveFault(f"{printable_path(info.name)} is a device or a pipe")


def _tar_opener(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_content() -> IO[bytes]:
        content = tar.extractfile(info)
        assert content is not None
        return content

    return open_content


def _read_zip(file: BinaryIO) -> Iterator[ArchiveMember]:
    with zipfile.ZipFile(file) as packed:
        for info in packed.infolist():
            parts, mode = _read_parts(info.filename), info.external_attr >> 16
            kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
            if info.is_dir():
                if parts:
                    yield ArchiveMember(parts, FOLDER, is_executable=False, open=_no_content)
            elif kind == stat.S_IFLNK:
                with packed.open(info) as content:
                    yield _link(parts, content.read(_MAX_LINK_BYTES).decode("utf-8", "surrogateescape"))
            elif kind in (0, stat.S_IFREG):
                yield ArchiveMember(parts, FILE, bool(mode & stat.S_IXUSR), _zip_opener(packed, info))
            else:
                raise ArchiveFault(f"{printable_path(info.filename)} is a device or a pipe")


def _zip_opener(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: packed.open(info)


_READERS: Final[dict[str, Callable[[BinaryIO], Iterator[ArchiveMember]]]] = {TAR: _read_tar, ZIP: _read_zip}


def _read_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a member's path. Raises ArchiveFault if it leads out of the folder."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/"):
        raise ArchiveFault(f"{printable_path(name)} is an absolute path")
    if ".." in parts or "\0" in name:
        raise ArchiveFault(f"{printable_path(name)} leads out of the folder")
    if len(parts) > _MAX_DEPTH:
        raise ArchiveFault(f"{printable_path(name)} is more than {_MAX_DEPTH} folders deep")
    return parts


def _read_hard_link(parts: tuple[str, ...], target: str) -> tuple[str, ...]:
    """Return the path of the member that a hard link repeats."""
    copy_of = tuple(part for part in target.split("/") if part not in ("", "."))
    if not copy_of or copy_of == parts or ".." in copy_of or target.startswith("/"):
        raise make_hard_link_fault(parts)
    return copy_of


def make_hard_link_fault(parts: tuple[str, ...]) -> ArchiveFault:
    """Return the fault of a hard link whose target was not extracted before it."""
    return ArchiveFault(f"{printable_path('/'.join(parts))} is a link to a file that is not in the archive before it")


def _link(parts: tuple[str, ...], target: str) -> ArchiveMember:
    if leads_out(parts, target) or "\0" in target:
        raise ArchiveFault(f"{printable_path('/'.join(parts))} is a link that leads out of the folder")
    return ArchiveMember(parts, LINK, is_executable=False, open=_no_content, link=target)


def _no_content() -> IO[bytes]:
    raise ArchiveFault("a folder or link has no content")
