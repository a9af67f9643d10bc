"""Taking a file out of its folder after its run ended: into another folder, or away. Never over a file that is there.

Everything here blocks. A file goes three steps, and whoever is killed between them finds it again by `leftovers`:

    stage   renamed into `.mainspring/TRIGGER/VERB-SHA256/PATH` below the folder, which says all that is to be known of it; only then is it
            sure that no other file took its name meanwhile: what is not the file that was taken in is put back
    place   given its name in the other folder (hard link, copy to another file system, rename where there are no links)
    clear   the staged name is taken away

A file is whole under one of its names at each moment.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from mainspring.domain.ids import fingerprint
from mainspring.domain.watched_folder import DELETE, KEEP
from mainspring.store import failpoints
from mainspring.triggers.folder import CHUNK, STAGING, ChangedError, Folder, Hashing, Mark, opened

SUCCESS, FAILURE = "success", "failure"
_LOCK = "lock"
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""What `link` says where there are no hard links, or none to files of another user."""
_LONGEST_NAME = 255
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Staged(NamedTuple):
    """A file on its way out: why (SUCCESS or FAILURE), what it holds, and its path below the watched folder."""

    verb: str
    sha256: str
    path: str


class Aside:
    """Takes files of one trigger out of one folder; all calls but `lock` are made while it is held."""

    def __init__(self, folder: Folder, trigger: str) -> None:
        self._folder = folder
        self._base = (STAGING, fingerprint(trigger.encode())[:16])
        self._targets = {SUCCESS: folder.files.after_success, FAILURE: folder.files.after_failure}

    def lock(self) -> int | None:
        """Take the lock of the folder's moves, for all desks that see this folder; return what `unlock` wants, None if another has it."""
        with opened(self._folder.path, (STAGING,), make=0o700) as staging:
            descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=staging)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def has_leftovers(self) -> bool:
        """Tell whether there may be files of this trigger that were left on their way, without making anything."""
        try:
            with opened(self._folder.path, self._base):
                return True
        except OSError:
            return False

    def leftovers(self) -> list[Staged]:
        """Return the files that somebody who was killed left on their way; what changed on the way is put back."""
        found = [*self._staged()]
        return [staged for staged in found if self._is_sound(staged)]

    def stage(self, staged: Staged, mark: Mark) -> None:
        """Take the file away from where everybody sees it.

        Raises:
            ChangedError: it is not the file that has the mark; then it is where it was, or is gone.
            OSError: it cannot be taken away.
        """
        *parts, name = staged.path.split("/")
        with self._from_folder(parts) as folder:
            if Mark.of(_look(name, folder)) != mark:
                raise ChangedError
            with self._staging(staged, make=True) as staging:
                if _exists(name, staging):
                    raise OSError(errno.EEXIST, "another one is still on its way")
                failpoints.hit("files.stage")
                os.rename(name, name, src_dir_fd=folder, dst_dir_fd=staging)
                failpoints.hit("files.staged")
                moved = Mark.of(os.stat(name, dir_fd=staging, follow_symlinks=False))
        if moved._replace(changed_ns=mark.changed_ns) != mark:
            self.put_back(staged)
            raise ChangedError

    def place(self, staged: Staged) -> None:
        """Give a staged file its new name; it may have it already.

        Raises:
            OSError: it cannot be put there; then it is staged as before.
        """
        target = self._targets[staged.verb]
        if target == DELETE:
            return
        if target == KEEP:  # the definition was changed while the file was on its way
            self.put_back(staged)
            return
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, self._target(target, parts) as into:
            if not _exists(name, staging):
                return
            try:
                _put(name, staging, into, _names(name, staged.sha256))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(staged, staging, into)
        failpoints.hit("files.placed")

    def clear(self, staged: Staged) -> None:
        """Take the staged name away, and the folders that are empty then."""
        with contextlib.suppress(FileNotFoundError), self._staging(staged) as staging:
            os.unlink(staged.path.rpartition("/")[2], dir_fd=staging)
        failpoints.hit("files.cleared")
        self._sweep(staged)

    def put_back(self, staged: Staged) -> None:
        """Put a staged file back to where it was; where a newer one is, beside it."""
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, opened(self._folder.path, parts, make=0o777) as folder:
            _put(name, staging, folder, _names(name, staged.sha256))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=staging)
        failpoints.hit("files.put_back")
        self._sweep(staged)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _copy(self, staged: Staged, staging: int, into: int) -> None:
        """Put a copy on another file system: under a name of its own until it is whole and on the disk."""
        name = staged.path.rpartition("/")[2]
        if any(_holds(taken, into, staged.sha256) for taken in _taken(_names(name, staged.sha256), into)):
            return  # whoever was killed before it took the staged name away
        part = f".mainspring-{fingerprint(self._folder.path.encode(), repr(staged).encode(errors='replace'))[:24]}.part"
        digest = hashlib.sha256()
        source = os.open(name, _READ, dir_fd=staging)
        try:
            found = os.fstat(source)
            copy = os.open(part, _WRITE, 0o600, dir_fd=into)
            try:
                while chunk := os.read(source, CHUNK):
                    digest.update(chunk)
                    _write_all(copy, chunk)
                os.fchmod(copy, stat.S_IMODE(found.st_mode) & 0o777)
                os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
                os.fsync(copy)
            finally:
                os.close(copy)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=into)
            raise
        finally:
            os.close(source)
        failpoints.hit("files.copied")
        if digest.hexdigest() != staged.sha256:
            os.unlink(part, dir_fd=into)
            raise OSError(errno.EBUSY, "somebody still writes to it")
        _put(part, into, into, _names(name, staged.sha256))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=into)
        os.fsync(into)

    def _staged(self) -> Iterator[Staged]:
        """Yield all that is staged."""
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            with contextlib.suppress(FileNotFoundError), opened(self._folder.path, (*self._base, *parts)) as folder:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        verb, _, sha256 = (parts or (entry.name,))[0].partition("-")
                        if verb not in self._targets or entry.is_symlink():
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((*parts, entry.name))
                        elif parts:
                            yield Staged(verb, sha256, "/".join((*parts[1:], entry.name)))

    def _is_sound(self, staged: Staged) -> bool:
        """Tell whether a staged file holds what was taken in; else it is put back."""
        with self._staging(staged) as staging:
            if _holds(staged.path.rpartition("/")[2], staging, staged.sha256):
                return True
        self.put_back(staged)
        return False

    @contextlib.contextmanager
    def _from_folder(self, parts: list[str]) -> Iterator[int]:
        """Give the folder in which a file was seen; it may be gone."""
        try:
            with opened(self._folder.path, parts) as folder:
                yield folder
        except FileNotFoundError:
            raise ChangedError from None

    def _staging(self, staged: Staged, *, make: bool = False) -> contextlib.AbstractContextManager[int]:
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        return opened(self._folder.path, parts, make=0o700 if make else None)

    def _target(self, target: str, parts: list[str]) -> contextlib.AbstractContextManager[int]:
        """Give the folder below the target. A target below the watched folder may be no link: who may write there could lead us anywhere."""
        below = Path(target).parts
        if Path(target).is_absolute() or ".." in below:
            root = Path(self._folder.path, target)
            root.mkdir(parents=True, exist_ok=True)
            return opened(str(root), parts, make=0o777)
        return opened(self._folder.path, [*below, *parts], make=0o777)

    def _sweep(self, staged: Staged) -> None:
        """Take away the folders that are empty now."""
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        with contextlib.suppress(OSError):
            for depth in range(len(parts) - 1, 0, -1):
                with opened(self._folder.path, parts[:depth]) as folder:
                    os.rmdir(parts[depth], dir_fd=folder)


def unlock(lock: int) -> None:
    """Let other desks move files."""
    os.close(lock)


def _put(name: str, source: int, into: int, names: Iterator[str]) -> None:
    """Give a file the first free of these names. The old name may stay beside it.

    Raises:
        OSError: EXDEV, where `into` is on another file system; whatever else keeps it out.
    """
    mine = os.stat(name, dir_fd=source, follow_symlinks=False)
    for new in names:
        try:
            os.link(name, new, src_dir_fd=source, dst_dir_fd=into, follow_symlinks=False)
        except FileExistsError:
            there = _look(new, into)
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not _exists(new, into):  # only somebody who writes into this folder by hand can come between
                os.rename(name, new, src_dir_fd=source, dst_dir_fd=into)
                return
        else:
            return


def _names(name: str, sha256: str) -> Iterator[str]:
    """Yield the name, then others that are like it: name-2.csv to name-99.csv, then with the hash of what it holds."""
    yield name
    stem, suffix = os.path.splitext(name)
    short = sha256[:12]
    for end in chain((f"-{n}" for n in range(2, 100)), (f"-{short}",), (f"-{short}-{n}" for n in count(2))):
        kept = stem
        while kept and len(os.fsencode(kept + end + suffix)) > _LONGEST_NAME:
            kept = kept[:-1]
        yield kept + end + (suffix if kept else "")


def _taken(names: Iterator[str], folder: int) -> Iterator[str]:
    """Yield those of the names that are taken, up to the first free one."""
    for name in names:
        if not _exists(name, folder):
            return
        yield name


def _holds(name: str, folder: int, sha256: str) -> bool:
    """Tell whether a regular file with this content has the name."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _look(name: str, folder: int) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise ChangedError from None


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
