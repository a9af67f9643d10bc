"""The archive of a folder: moves a file out of it after its run ended, or deletes it. It never overwrites a file.

Everything here blocks. Moving a file has three steps; after a kill between them `leftovers` finds it again:

    stage   renamed into `.mainspring/TRIGGER/VERB-SHA256/PATH` below the folder. This name is the whole record of the move. Only after
            the rename no other file can take its name: a file that is not the accepted one is put back
    place   given its name in the other folder (hard link, copy to another file system, rename where there are no links)
    clear   the staged name is removed

A file is whole under one of its names at each moment.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mainspring.domain.ids import hash_parts
from mainspring.domain.triggers.watched_folder import DELETE, KEEP
from mainspring.store import failpoints
from mainspring.triggers.files.file_placement import copy_file, has_content, has_entry, place_file, yield_free_names
from mainspring.triggers.files.folder import STAGING, FileChangedError, FileStamp, FolderReader, open_folder

SUCCESS, FAILURE = "success", "failure"
_LOCK_FILE = "lock"


class StagedFile(NamedTuple):
    """A file that is being moved: the reason (SUCCESS or FAILURE), its hash, and its path below the watched folder."""

    verb: str
    sha256: str
    path: str


class FileArchive:
    """Moves files of one trigger out of one folder; every change needs the lock."""

    def __init__(self, folder: FolderReader, trigger: str, progress: Callable[[], None] = lambda: None) -> None:
        """`progress` is called repeatedly while a large file is copied."""
        self._folder = folder
        self._progress = progress
        self._base = (STAGING, hash_parts(trigger.encode())[:16])
        self.targets = {SUCCESS: folder.files.after_success, FAILURE: folder.files.after_failure}
        self._lock: int | None = None

    def lock(self) -> bool:
        """Try to take the lock for moves in this folder, shared by all its watchers; return whether it is taken."""
        with open_folder(self._folder.path, (STAGING,), make=0o700) as staging:
            descriptor = os.open(
                _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=staging
            )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has_leftovers(self) -> bool:
        """Return whether there may be half-moved files of this trigger, without creating anything."""
        try:
            with open_folder(self._folder.path, self._base):
                return True
        except OSError:
            return False

    def leftovers(self) -> list[StagedFile]:
        """Return the half-moved files of a killed process; a changed file is put back."""
        staged_files = [*self._staged()]
        return [staged for staged in staged_files if self._is_sound(staged)]

    def stage(self, staged: StagedFile, stamp: FileStamp) -> None:
        """Move the file out of the watched folder to the staging folder.

        Raises:
            FileChangedError: the file does not have this stamp; it is where it was, or does not exist.
            OSError: it cannot be moved.
        """
        try:
            moved = self._stage(staged, stamp)
        except (FileNotFoundError, NotADirectoryError, FileChangedError):
            self._sweep(staged)
            raise FileChangedError from None
        if moved._replace(changed_ns=stamp.changed_ns) != stamp:
            self.put_back(staged)
            raise FileChangedError

    def _stage(self, staged: StagedFile, stamp: FileStamp) -> FileStamp:
        """Rename the file, and return the stamp of the renamed file."""
        *parts, name = staged.path.split("/")
        with open_folder(self._folder.path, parts) as folder:
            if FileStamp.of(os.stat(name, dir_fd=folder, follow_symlinks=False)) != stamp:
                raise FileChangedError
            with self._staging(staged, make=True) as staging:
                if has_entry(name, staging):
                    raise OSError(errno.EEXIST, "another one is still being moved")
                failpoints.hit("files.stage")
                os.rename(name, name, src_dir_fd=folder, dst_dir_fd=staging)
                failpoints.hit("files.staged")
                return FileStamp.of(os.stat(name, dir_fd=staging, follow_symlinks=False))

    def place(self, staged: StagedFile) -> None:
        """Give a staged file its new name, unless it has it already.

        Raises:
            OSError: it cannot be placed; it stays staged.
        """
        target = self.targets[staged.verb]
        if target == DELETE:
            return
        if target == KEEP:  # the definition was changed meanwhile
            self.put_back(staged)
            return
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, self._target(target, parts) as into:
            if not has_entry(name, staging):
                return
            try:
                place_file(name, staging, into, yield_free_names(name, staged.sha256))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                part = hash_parts(os.fsencode(self._folder.path), self._base[1].encode(), os.fsencode(staged.path))
                copy_file(name, staging, into, staged.sha256, f".mainspring-{part[:24]}.part", self._progress)
        failpoints.hit("files.placed")

    def clear(self, staged: StagedFile) -> None:
        """Remove the staged name, and the folders that are then empty."""
        with contextlib.suppress(FileNotFoundError), self._staging(staged) as staging:
            os.unlink(staged.path.rpartition("/")[2], dir_fd=staging)
        failpoints.hit("files.cleared")
        self._sweep(staged)

    def put_back(self, staged: StagedFile) -> None:
        """Put a staged file back to its old place, or next to a newer file there."""
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, open_folder(self._folder.path, parts, make=0o777) as folder:
            place_file(name, staging, folder, yield_free_names(name, staged.sha256))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=staging)
        failpoints.hit("files.put_back")
        self._sweep(staged)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _staged(self) -> Iterator[StagedFile]:
        """Yield all staged files."""
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            with (
                contextlib.suppress(FileNotFoundError),
                open_folder(self._folder.path, (*self._base, *parts)) as folder,
                os.scandir(folder) as entries,
            ):
                for entry in entries:
                    verb, _, sha256 = (parts or (entry.name,))[0].partition("-")
                    if verb not in self.targets or entry.is_symlink():
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((*parts, entry.name))
                    elif parts:
                        yield StagedFile(verb, sha256, "/".join((*parts[1:], entry.name)))

    def _is_sound(self, staged: StagedFile) -> bool:
        """Return whether a staged file has the accepted content; otherwise put it back."""
        with self._staging(staged) as staging:
            if has_content(staged.path.rpartition("/")[2], staging, staged.sha256):
                return True
        self.put_back(staged)
        return False

    def _staging(self, staged: StagedFile, *, make: bool = False) -> contextlib.AbstractContextManager[int]:
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        return open_folder(self._folder.path, parts, make=0o700 if make else None)

    def _target(self, target: str, parts: list[str]) -> contextlib.AbstractContextManager[int]:
        """Return the folder below the target.

        A target below the watched folder must not be a link: a writer there could redirect the move anywhere.
        """
        below = Path(target).parts
        if Path(target).is_absolute() or ".." in below:
            root = Path(self._folder.path, target)
            root.mkdir(parents=True, exist_ok=True)
            return open_folder(str(root), parts, make=0o777)
        return open_folder(self._folder.path, [*below, *parts], make=0o777)

    def _sweep(self, staged: StagedFile) -> None:
        """Remove the folders that are empty now."""
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        with contextlib.suppress(OSError):
            for depth in range(len(parts) - 1, 0, -1):
                with open_folder(self._folder.path, parts[:depth]) as folder:
                    os.rmdir(parts[depth], dir_fd=folder)
