"""File errors: each says what failed, at which path and in which root, and how to fix it."""

import contextlib
import errno
import getpass
import os
from collections.abc import Iterator

from mainspring.domain.errors import MainspringError, Transient
from mainspring.domain.failures.error_tables import ERRNO_CODES
from mainspring.domain.failures.verdict import FailureKind
from mainspring.triggers.files.folder import error_reason, printable_path

_SPACE = "Free space on this disk, for example with files.prune(). Nothing was changed."


class FileActionError(MainspringError):
    """A file action cannot do it, and trying again cannot help."""

    code = "file_action"


class PathOutsideRootError(FileActionError):
    """The path leads out of the root of the action, by `..`, by a link, or as an absolute path."""

    code = "path_outside_root"


class FileUnavailableError(Transient):
    """A file action cannot do it now: the disk is full, or another program uses the file."""

    code = "file_unavailable"


def make_file_error(error: OSError, verb: str, path: str, root: str | None) -> MainspringError:
    """Return the error of a failed action; `path` is any text, `root` the folder that confines the action."""
    number = error.errno or 0
    reason = "the path is longer than the system allows" if number == errno.ENAMETOOLONG else error_reason(error)
    message = f"cannot {verb} {printable_path(path)}: {reason}{locate_root(root)}"
    hint = _suggest_fix(number, path, root)
    verdict = ERRNO_CODES.get(number)
    if verdict is not None and verdict.kind is FailureKind.TRANSIENT:
        unavailable = FileUnavailableError(message)
        unavailable.hint = hint
        return unavailable
    return FileActionError(message, hint=hint)


def locate_root(root: str | None) -> str:
    """Return the line of an error that names the root; "" without one."""
    return "" if root is None else f"\nin the root {printable_path(root)}"


@contextlib.contextmanager
def describe_errors(verb: str, path: str, root: str | None) -> Iterator[None]:
    """Raise errors of the system as errors of an action.

    Raises:
        FileActionError, FileUnavailableError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise make_file_error(error, verb, path, root) from error


def _suggest_fix(number: int, path: str, root: str | None) -> str:
    parent, _, name = path.rstrip("/").rpartition("/")
    folder = printable_path(parent or ("/" if path.startswith("/") else "."))
    missing = f"The folder {folder} does not exist. Check the path, or create it: files.ensure_folder({folder!r})"
    if os.path.isdir(os.path.join(root or "", parent or folder)):  # noqa: PTH112, PTH118 - any text, at most for a hint
        missing = f"Check the path: the folder {folder} has no {printable_path(name)!r}."
    fixes = {
        errno.ENOENT: missing,
        errno.EACCES: f"Let the user {_user()} use it. See its rights: ls -ld {folder}",
        errno.EPERM: f"Let the user {_user()} use it. See its rights: ls -ld {folder}",
        errno.EROFS: "The disk is mounted read-only. Use another folder.",
        errno.ENOSPC: _SPACE,
        errno.EDQUOT: _SPACE,
        errno.EEXIST: "Choose another name, or pass replace=True.",
        errno.ENOTEMPTY: "Remove the folder first: files.remove(path, recursive=True)",
        errno.EISDIR: "It is a folder. Name a file in it.",
        errno.ENOTDIR: "A part of the path is a file or a link. Name a real folder.",
        errno.ELOOP: "A part of the path is a link. Name the real path.",
        errno.ENAMETOOLONG: "Use a shorter name: at most 255 bytes.",
        errno.EXDEV: "Source and target are on different disks. Archive the folder there: files.archive(folder, to)",
    }
    return fixes.get(number, f"Check the path: ls -ld {folder}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
