"""One supervisor a store and host: of several that start in one instant the kernel lets one have the file.

No child inherits the descriptor, so the lock is free as soon as the supervisor itself is gone, however it ended.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainspring.domain.errors import AlreadyExistsError
from mainspring.store.liveness import holders
from mainspring.store.sqlite.connection import not_made, prepare_folder, refuse_foreign


@contextmanager
def only_supervisor(store: Path, shown: str) -> Iterator[None]:
    """Be the supervisor of this store on this host for as long as this lasts.

    Raises:
        AlreadyExistsError: another process is; tells which.
        StoreError: there can be no store there.
    """
    refuse_foreign(store)
    prepare_folder(store)
    whole = store.resolve()
    path = whole.with_name(f"{whole.name}.supervisor")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise not_made(store, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.pread(descriptor, 20, 0).decode("ascii", "replace")
            # Who has the lock may not have said so yet.
            raise already_supervised(shown, told or ", ".join(map(str, holders(path))) or "?") from None
        with contextlib.suppress(OSError):  # the name is only for people, and a full disk keeps no supervisor out
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def already_supervised(store: str, holder: str) -> AlreadyExistsError:
    """Return the error that tells which process supervises the store."""
    return AlreadyExistsError(
        f"a supervisor works on this store already: process {holder}\nat {store}",
        hint="Stop it with `mainspring down`, or use another store.",
    )
