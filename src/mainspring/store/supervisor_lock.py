"""The supervisor lock: one supervisor per store, host and role. Of several that start at once, one gets the lock file
of the role.

Units that share a machine (workers, web process) have a supervisor each. Two for one role would be a mistake: neither
would know which dead processes are its own.

No child inherits the descriptor, so the lock is free as soon as the supervisor has ended, for whatever reason.
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
def lock_supervisor_role(store: Path, location: str, roles: Iterable[str] = tuple(ProcessRole)) -> Iterator[None]:
    """Hold the supervisor lock of these roles for this store on this host.

    Raises:
        AlreadyExistsError: another process holds one of them; the message names it.
        StoreError: there can be no store at this path.
    """
    refuse_foreign(store)
    prepare_folder(store, *([] if location == str(store) else [STATE_HOME_HINT]))
    with ExitStack() as held:
        for role in roles:
            held.enter_context(_lock_role(store.resolve(), location, role))
        yield


@contextmanager
def _lock_role(store: Path, location: str, role: str) -> Iterator[None]:
    path = store.with_name(f"{store.name}.supervisor-{role}")
    try:
        descriptor = open_side_file(path, os.O_RDWR, store=store)
    except OSError as error:
        raise not_made(store, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder_pid = os.pread(descriptor, 20, 0).decode("ascii", "replace")
            # The holder may not have written its pid yet.
            raise supervisor_conflict(location, holder_pid or ", ".join(map(str, holders(path))) or "?", role) from None
        with contextlib.suppress(OSError):  # the pid is only for people, and a full disk must not keep a supervisor out
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def supervisor_conflict(store: str, holder: str, role: str) -> AlreadyExistsError:
    """Return the error that names the process which supervises the store."""
    return AlreadyExistsError(
        f"a supervisor runs on this store already: process {holder} has its {role}\nat {store}",
        hint="Stop it with `mainspring down`, use other roles (`mainspring up --role ...`), or use another store.",
    )
