"""Content of files: write it, copy it, compute its checksum."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.file_errors import FileActionError, locate_root
from mainspring.actions.files.place import FilePath, Place, RootPath, Target, read_target
from mainspring.actions.files.temporary import open_temporary_file, read_umask, temporary_name
from mainspring.domain.errors import ArgumentError, OptionError, UnknownNameError
from mainspring.domain.values.file import File
from mainspring.store import failpoints
from mainspring.triggers.files.file_archive import has_content, place_file
from mainspring.triggers.files.folder import CHUNK_BYTES, FileStamp, printable_path

_MAX_MODE = 0o777
_ALGORITHMS = ("sha256", "sha512", "sha1", "md5", "blake2b")


def write(
    path: FilePath,
    content: str | bytes,
    *,
    root: RootPath = None,
    make_folders: bool = False,
    mode: int | None = None,
    encoding: str = "utf-8",
) -> File:
    """Write a file: other programs find the old content or the new one, never a part.

    `root` = the folder that no path may leave. `make_folders` = create missing folders. `mode` = rights of the file (default: those of the
    file that is there, else as the system's umask has them). A link at the path is replaced, not followed.

    Safe to run twice because the content is written under a temporary name, flushed to the disk and renamed. A second call finds the same
    content and changes nothing. The next call for the same path removes what a killed call left behind.

    Example:
        files.write("reports/today.csv", text, make_folders=True)

    Raises:
        FileActionError, PathOutsideRootError: it cannot be written there.
        FileUnavailableError: the disk is full, or another call writes to it.
        ArgumentError, OptionError: the content is neither text nor bytes, or `mode` is not the mode of a file.
    """
    refuse_event_loop("files.write")
    target = read_target(path, root)
    if mode is not None and (type(mode) is not int or not 0 <= mode <= _MAX_MODE):
        hint = (
            f"Write it in octal: mode=0o{mode}." if str(mode).isdecimal() else "Write it in octal, such as mode=0o640."
        )
        raise OptionError(
            f"mode={mode!r} of {printable_path(target.text)} is not the mode of a file (0 to 0o777)", hint=hint
        )
    data = content if isinstance(content, bytes) else _encode(content, encoding, target)
    sha256 = hashlib.sha256(data).hexdigest()
    with target.open("write", make_folders=make_folders) as place:
        status = place.require_replaceable()
        is_same_mode = status is not None and (mode is None or stat.S_IMODE(status.st_mode) == mode)
        with open_temporary_file(place) as descriptor:
            if is_same_mode and has_content(place.name, place.folder, sha256, len(data)):
                sync_entry(place)
            else:
                write_all(descriptor, [data])
                publish(place, descriptor, mode=choose_mode(status, mode), replace=True)
        return describe_file(place, target, sha256)


write_async = in_thread(write)


def copy(
    source: FilePath, to: FilePath, *, root: RootPath = None, replace: bool = False, make_folders: bool = False
) -> File:
    """Copy a file with its rights and its time of change; both paths are confined by `root`.

    Without `replace=True` a target with other content is an error.

    Safe to run twice because the copy gets its name only when it is complete and on the disk. A second call finds the same content and
    changes nothing.

    Example:
        files.copy("data/orders.csv", "backup/orders.csv", make_folders=True)

    Raises:
        FileActionError, PathOutsideRootError: there is no such file, or the target has other content.
        FileUnavailableError: the disk is full, or another program writes to one of the files.
    """
    refuse_event_loop("files.copy")
    origin, target = read_target(source, root), read_target(to, root)
    with (
        origin.open("copy") as here,
        target.open(f"copy {printable_path(origin.text)} to", make_folders=make_folders) as place,
    ):
        sha256 = copy_content(here, place, replace=replace)
        return describe_file(place, target, sha256)


copy_async = in_thread(copy)


def checksum(path: FilePath, algorithm: str = "sha256", *, root: RootPath = None) -> str:
    """Return the checksum of a file in hex: sha256, sha512, sha1, md5 or blake2b.

    Safe to run twice because it only reads.

    Example:
        files.checksum("data/orders.csv")

    Raises:
        FileActionError, PathOutsideRootError: there is no such file.
        UnknownNameError: there is no such algorithm.
    """
    refuse_event_loop("files.checksum")
    if algorithm not in _ALGORITHMS:
        raise UnknownNameError("algorithm", str(algorithm), _ALGORITHMS)
    with read_target(path, root).open("read") as place, os.fdopen(place.open_file(), "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


checksum_async = in_thread(checksum)


def copy_content(source: Place, place: Place, *, replace: bool) -> str:
    """Copy a regular file to a place; return the SHA-256. Raises OSError, FileActionError."""
    descriptor = source.open_file()
    try:
        before = os.fstat(descriptor)
        with open_temporary_file(place) as part:
            status = place.require_replaceable()
            sha256 = None if status is None else _find_same_content(descriptor, place, status)
            if sha256 is not None:
                sync_entry(place)
                return sha256
            if status is not None and not replace:
                raise OSError(errno.EEXIST, "the target exists with other content")
            sha256 = write_all(part, _read_chunks(descriptor))
            if FileStamp.of(os.fstat(descriptor)) != FileStamp.of(before):
                raise OSError(errno.EBUSY, "another program writes to it")
            os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
            publish(place, part, mode=stat.S_IMODE(before.st_mode) & 0o777, replace=replace)
        return sha256
    finally:
        os.close(descriptor)


def _find_same_content(descriptor: int, place: Place, status: os.stat_result) -> str | None:
    """Return the SHA-256 of the open file if the file at the place has the same content, else None."""
    size = os.fstat(descriptor).st_size
    if size != status.st_size:
        return None
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    os.lseek(descriptor, 0, os.SEEK_SET)
    return sha256 if has_content(place.name, place.folder, sha256, size) else None


def write_all(descriptor: int, chunks: Iterable[bytes]) -> str:
    """Write chunks to a descriptor; return their SHA-256. Raises OSError."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest[:CHUNK_BYTES]) :]
    return digest.hexdigest()


def publish(place: Place, descriptor: int, *, mode: int, replace: bool) -> None:
    """Give the temporary file of a place its name, once its content is on the disk. Raises OSError."""
    part = temporary_name(place.name)
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)
    failpoints.hit("files.written")
    if replace:
        os.rename(part, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    else:
        place_file(part, place.folder, place.folder, iter([place.name]))
        status, own = place.status(), os.fstat(descriptor)
        if status is None or (status.st_dev, status.st_ino) != (own.st_dev, own.st_ino):
            raise OSError(errno.EEXIST, "another program has created it")
    failpoints.hit("files.published")
    os.fsync(place.folder)


def sync_entry(place: Place) -> None:
    """Flush a file and its name to the disk: the call that wrote them may have been killed before. Raises OSError."""
    descriptor = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.fsync(place.folder)


def choose_mode(status: os.stat_result | None, mode: int | None) -> int:
    """Return the rights of a new file in the place of this one."""
    if mode is not None:
        return mode
    if status is not None and stat.S_ISREG(status.st_mode):
        return stat.S_IMODE(status.st_mode) & 0o777
    return 0o666 & ~read_umask()


def describe_file(place: Place, target: Target, sha256: str) -> File:
    """Return the file at a place as a value."""
    status = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    return File.at(os.fsencode(target.absolute), size=status.st_size, sha256=sha256, modified_ns=status.st_mtime_ns)


def _read_chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, CHUNK_BYTES):
        yield chunk


def _encode(text: str, encoding: str, target: Target) -> bytes:
    if not isinstance(text, str):
        raise ArgumentError(
            f"the content for {printable_path(target.text)} is {type(text).__name__}, not text or bytes",
            hint="Convert it first, for example with json.dumps(content).",
        )
    try:
        return text.encode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        if not isinstance(error, UnicodeEncodeError):
            raise OptionError(
                f"encoding={encoding!r} for {printable_path(target.text)} is not an encoding of text",
                hint='Write encoding="utf-8".',
            ) from None
        raise FileActionError(
            f"the text for {printable_path(target.text)} cannot be written as {encoding}: character {error.start} of it"
            f"{locate_root(target.root)}",
            hint='Pass bytes, or encoding="utf-8" and text without lone surrogates.',
        ) from None
