"""One supervisor a store, host and role: of several that start in one instant the kernel lets one have the role's file.

Units that share a machine (one keeps the workers, another one the web process) have a supervisor each; two that keep the same role
would be a slip of the pen, and of what died neither would know whose it was.

No child inherits the descriptor, so the lock is free as soon as the supervisor itself is gone, however it ended.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mainspring.domain.errors import AlreadyExistsError
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.store.liveness import holders
from mainspring.store.side_files import STATE_HOME_HINT, open_side_file
from mainspring.store.sqlite.connection import not_made, prepare_folder, refuse_foreign


@contextmanager
def lock_supervisor_role(store: Path, shown: str, roles: Iterable[str] = tuple(ProcessRole)) -> Iterator[None]:
    """Be the supervisor of these roles for this store on this host for as long as this lasts.

    Raises:
        AlreadyExistsError: another process is that of one of them; tells which.
        StoreError: there can be no store there.
    """
    refuse_foreign(store)
    prepare_folder(store, *([] if shown == str(store) else [STATE_HOME_HINT]))
    with ExitStack() as held:
        for role in roles:
            held.enter_context(_only_one(store.resolve(), shown, role))
        yield


@contextmanager
def _only_one(whole: Path, shown: str, role: str) -> Iterator[None]:
    path = whole.with_name(f"{whole.name}.supervisor-{role}")
    try:
        descriptor = open_side_file(path, os.O_RDWR, store=whole)
    except OSError as error:
        raise not_made(whole, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.pread(descriptor, 20, 0).decode("ascii", "replace")
            # Who has the lock may not have said so yet.
            raise supervisor_conflict(shown, told or ", ".join(map(str, holders(path))) or "?", role) from None
        with contextlib.suppress(OSError):  # the name is only for people, and a full disk keeps no supervisor out
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def supervisor_conflict(store: str, holder: str, role: str) -> AlreadyExistsError:
    """Return the error that tells which process supervises the store."""
    return AlreadyExistsError(
        f"a supervisor works on this store already: process {holder} keeps its {role}\nat {store}",
        hint="Stop it with `mainspring down`, take other roles (`mainspring up --role ...`), or use another store.",
    )
