"""Secret files, which no other user may read or change. A file with one secret is read again when it has changed."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from mainspring.integrations.base.secret_provider import SecretProviderError, SecretValue

_OTHER_USERS_MODE_BITS = 0o027
MAX_SECRET_BYTES = 64 * 1024
_FileStamp = tuple[int, int, int, int, int]


def file_stamp(status: os.stat_result) -> _FileStamp:
    """Return what changes whenever a file is replaced or written."""
    return (status.st_dev, status.st_ino, status.st_mode, status.st_mtime_ns, status.st_size)


def version_of(status: os.stat_result) -> str:
    """Return the version of a file: the instant of its last change (ms UTC). A hash of the value would confirm a guess."""
    return f"t{status.st_mtime_ns // 1_000_000}"


def require_private(subject: str, path: Path, status: os.stat_result, limit: int) -> None:
    """Do nothing if a file holds secrets as it should: a file of a bounded size that only its owner (and a group) can read.

    Raises:
        SecretProviderError: it is not.
    """
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        raise SecretProviderError(f"{subject} is not a file of at most {limit:,} bytes\nin {path}")
    if status.st_mode & _OTHER_USERS_MODE_BITS:
        raise SecretProviderError(
            f"other users can read or change {subject} (mode {status.st_mode & 0o777:o})\nin {path}",
            hint=f"chmod 600 {path}",
        )


def make_file_error(subject: str, path: Path, error: Exception) -> SecretProviderError:
    """Return the error of a file that cannot be read."""
    problem = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not text in UTF-8"
    hint = (
        f"Let the user of this process read it: chown $(whoami) {path}" if isinstance(error, PermissionError) else None
    )
    return SecretProviderError(f"{subject} cannot be read: {problem}\nin {path}", hint=hint)


def write_private(path: Path, data: bytes, *, is_new: bool = False) -> None:
    """Write a file with mode 600 at once and whole. `is_new` = it must not exist. Raises OSError."""
    import tempfile  # only for a write

    descriptor, part = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            os.link(part, path)
            Path(part).unlink()
        else:
            Path(part).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class SecretFiles:
    """Reads files of secrets; an unchanged file is not read twice."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[_FileStamp, SecretValue]] = {}

    def read(self, name: str, path: Path) -> SecretValue | None:
        """Return the content without blank lines and blanks around it, None if there is no such file.

        Raises:
            SecretProviderError: it cannot be read, or others can read it; never with its value.
        """
        subject = f"the secret {name!r}"
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise make_file_error(subject, path, error) from None
        stamp = file_stamp(status)
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        require_private(subject, path, status, MAX_SECRET_BYTES)
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise make_file_error(subject, path, error) from None
        if not text:
            raise SecretProviderError(f"{subject} is empty\nin {path}", hint="Write its value into the file.")
        value = SecretValue(text, version_of(status))
        self._read[path] = (stamp, value)
        return value
