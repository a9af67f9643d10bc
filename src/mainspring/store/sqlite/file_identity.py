"""Identity of files: check that the open files of a connection still have their names. A commit to a removed file is
lost silently.

It compares names and numbers only. No file of the store is opened here: closing a descriptor of a file that SQLite
uses would drop its locks. A note in another folder proves that there was a store, even if its whole folder is missing.
"""

import contextlib
import errno
import os
from pathlib import Path

from mainspring.domain.errors import StoreError, StoreForbiddenError, StoreUnavailableError
from mainspring.store.base import StoreRemovedError
from mainspring.store.side_files import describe_owner, make_side_folder, open_side_file, shorten

_LABELS = {"": "file", "-wal": "write-ahead log", "-shm": "shared index"}
SIDE_SUFFIXES = ("-wal", "-shm")
FORBIDDEN_HINT = (
    "Run this as the owner of the store, or give this user the right. To use another store: --store, "
    "store.url, or HOME of this user."
)
_PUT_BACK = "Restore it, or a backup: mainspring db restore FILE."


def is_there(store: Path) -> bool:
    """Tell whether there is a file of this name.

    Raises:
        StoreForbiddenError: this user may not reach it.
        StoreUnavailableError: its disk, or its name, makes it unreachable.
    """
    try:
        store.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreachable(store, error) from error
    return True


def unreachable(path: Path, error: OSError) -> StoreError:
    """Return the error for an unreachable file of the store, with the owner of the folder that keeps this user out."""
    is_forbidden = error.errno in (errno.EACCES, errno.EPERM)
    owner = f"; {describe_owner(path)}" if is_forbidden else ""
    text = f"the store cannot be reached\nat {shorten(str(path))}: {error.strerror}{owner}"
    if not is_forbidden:
        return StoreUnavailableError(text, hint="Fix that, or use another file as the store.")
    return StoreForbiddenError(text, hint=FORBIDDEN_HINT)


class FileIdentity:
    """The current files of a connection that has just opened them. `include_side_files` = also those that SQLite keeps beside the
    store.
    """

    def __init__(self, store: Path, *, include_side_files: bool = True) -> None:
        names = {end: f"{store}{end}" for end in ("", *(SIDE_SUFFIXES if include_side_files else ()))}
        self._known = [
            (end, name, identity) for end, name in names.items() if (identity := identity_of(name)) is not None
        ]

    def check(self) -> None:
        """Check that all of them are still the same files. Takes a microsecond or two for each; any thread.

        Raises:
            StoreRemovedError: one was removed or replaced.
            StoreUnavailableError: this cannot be checked now: a permission or the disk is missing.
        """
        for end, name, known in self._known:
            try:
                found = _identity(name)
            except OSError as error:
                raise StoreUnavailableError(
                    f"the store's {_LABELS[end]} cannot be reached\nat {name}: {error.strerror}; {describe_owner(Path(name))}",
                    hint="Give this user the right to enter its folder again. Processes that use the store wait and "
                    "continue by themselves.",
                ) from error
            if found != known:
                event = "removed" if found is None else "replaced by another one"
                raise StoreRemovedError(
                    f"the store's {_LABELS[end]} was {event} while it was in use\nat {name}",
                    hint="Every process that uses the store ends, because nothing can be saved there any more. "
                    f"{_PUT_BACK}",
                )


def require_store_present(store: Path, note: Path | None = None) -> None:
    """Check that there is a store, or never was one. `note` = the file that `note_store` writes.

    Raises:
        StoreRemovedError: its note or its side files prove that processes used it, and now the file is missing or empty.
    """
    try:
        is_missing = store.stat().st_size == 0
    except FileNotFoundError:
        is_missing = True
    except OSError:
        return  # opening it raises the error
    if not is_missing:
        return
    if store.with_name(f"{store.name}.sessions").is_dir() or (note is not None and note.exists()):
        disk = "" if store.parent.exists() else ", and its folder is missing too: is its disk mounted?"
        raise StoreRemovedError(
            f"the store's file is gone: there was one\nat {store}{disk}",
            hint=f"{_PUT_BACK} To start with an empty one: mainspring db migrate --create",
        )


def note_store(note: Path, store: Path, store_id: str) -> None:
    """Note outside the store's folder that there is a store at this path. Never raises: the note is a second proof."""
    data = f"{store_id} {store}\n".encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError):
        if note.read_bytes() == data:
            return
    with contextlib.suppress(OSError):
        make_side_folder(note.parent)
        with os.fdopen(open_side_file(note, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(data)


def identity_of(name: str) -> tuple[int, int] | None:
    """Return device and number of the file of this name; None if it is missing or unreachable."""
    with contextlib.suppress(OSError):
        return _identity(name)
    return None


def _identity(name: str) -> tuple[int, int] | None:
    try:
        status = os.stat(name)  # noqa: PTH116 - a Path would cost more than the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
