"""The part file of a download: a hidden file next to the destination, which becomes it in one step.

Role: writes the part and the state by which a later call continues it. Invariants: at the destination stands a complete file or the earlier
one; one process at a time has the part; only bytes that are on the disk for certain are continued after a crash.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from mainspring.actions.files.place import Place
from mainspring.domain.errors import OptionError
from mainspring.triggers.files.folder import open_folder

SYNC_BYTES = 4 * 1024 * 1024
"""So many bytes are lost at most if the process is killed."""
_LOCK_PAUSE_S = 0.1
_LONGEST_NAME = 100


class PartState(msgspec.Struct, frozen=True):
    """The state of a part: the hash of its call, the version at the target, and the bytes that are on the disk."""

    call: str
    etag: str
    synced: int


class PartFile:
    """One part, locked."""

    def __init__(self, destination: Path, part: Path, descriptor: int) -> None:
        self._destination = destination
        self._part = part
        self._descriptor = descriptor
        self._state_file = part.with_name(f"{part.name}.json")

    def find_state(self, call: str) -> PartState | None:
        """Return the state of a part of this call, if it has bytes that can be continued."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            state = msgspec.json.decode(self._state_file.read_bytes(), type=PartState)
            if state.call == call and 0 < state.synced <= os.fstat(self._descriptor).st_size:
                return state
        return None

    def start(self, offset: int) -> None:
        """Continue at an offset: drop what follows."""
        if offset == 0:
            self._state_file.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, offset)
        os.lseek(self._descriptor, offset, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def save(self, state: PartState | None) -> None:
        """Flush the part to the disk, then its state; None = it cannot be continued."""
        os.fsync(self._descriptor)
        if state is None:
            self._state_file.unlink(missing_ok=True)
        else:
            self._state_file.write_bytes(msgspec.json.encode(state))

    def hash(self) -> str:
        """Return the SHA-256 of the part."""
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def publish(self) -> None:
        """Put the part at the destination, in one step."""
        self.save(None)
        self._part.replace(self._destination)
        folder = os.open(self._destination.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Delete the part."""
        self._state_file.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def lock_part(destination: Path) -> AsyncIterator[PartFile]:
    """Open and lock the part of a destination; wait for another process that has it.

    Raises:
        OptionError, OSError: the destination cannot be a file.
    """
    _require_place(destination)
    digest = hashlib.sha256(os.fsencode(destination.name)).hexdigest()[:8]
    part = destination.with_name(f".{destination.name[:_LONGEST_NAME]}.{digest}.part")
    descriptor = await _lock(part)
    try:
        yield PartFile(destination, part, descriptor)
    finally:
        os.close(descriptor)


def _require_place(destination: Path) -> None:
    if destination.is_dir():
        raise OptionError(f"the download cannot be written: {destination} is a folder", hint="Name a file in it.")
    if not destination.parent.is_dir():
        folder = destination.parent
        raise OptionError(
            f"the download cannot be written: the folder {folder} does not exist", hint=f"mkdir -p {folder}"
        )
    with open_folder(str(destination.parent)) as above:
        Place(above, destination.name, str(destination), None).require_replaceable()


def _is_current(part: Path, descriptor: int) -> bool:
    """Return whether an open file still has the name."""
    try:
        return part.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


async def _lock(part: Path) -> int:
    """Return the descriptor of the locked part: of the file that has the name now, not of one that was renamed."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        is_locked = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = _is_current(part, descriptor)
        except BlockingIOError:
            await asyncio.sleep(_LOCK_PAUSE_S)
        finally:
            if not is_locked:
                os.close(descriptor)
        if is_locked:
            return descriptor
