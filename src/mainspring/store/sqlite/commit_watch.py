"""The commit watch: wakes this process when another one has committed to the file.

Each commit writes the store mark once it is visible, and the kernel reports that write (inotify). A watch of the
write-ahead log would wake too early: its frames are written before others see them.

A wakeup says only that a poll may find something; it may be lost or come for nothing. So without inotify (macOS, a limit
of the kernel, a network file system, a mark that this user may not read) only the poll at intervals is left.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_MODIFIED, _DO_NOT_FOLLOW = 0x2, 0x0200_0000
_READ_BYTES = 16_384
"""More than one read is rarely needed: the kernel merges equal events that follow one another."""
_INotifyCall = Callable[..., int]


class CommitWatch:
    """The watch of one mark, for one thread. Never raises."""

    def __init__(self, mark: Path) -> None:
        self._mark = os.fsencode(mark)
        self._descriptor: int | None = None
        self._watch = -1
        self._is_impossible = False

    @property
    def descriptor(self) -> int | None:
        """The descriptor that is readable after a commit; None = nothing is watched."""
        return self._descriptor if self._watch >= 0 else None

    def renew(self) -> None:
        """Forget the wakeups so far, and watch the file that has the mark's name now. Call it before each poll."""
        if self._is_impossible:
            return
        if self._descriptor is None:
            self._descriptor = _open_inotify()
            self._is_impossible = self._descriptor is None
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            while len(os.read(self._descriptor, _READ_BYTES)) > _READ_BYTES // 2:
                pass
        before, self._watch = self._watch, self._add_watch(self._descriptor)
        if before >= 0 and before != self._watch:
            _libc()[2](self._descriptor, before)  # the mark was replaced; of a removed file the kernel did it

    def _add_watch(self, descriptor: int) -> int:
        """Return the number of the watch, the same one for the same file; -1 = the file cannot be watched."""
        return _libc()[1](descriptor, self._mark, _MODIFIED | _DO_NOT_FOLLOW)

    def close(self) -> None:
        """Close the descriptor; nothing is watched again."""
        self._is_impossible, self._watch = True, -1
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _open_inotify() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    descriptor = _libc()[0](os.O_NONBLOCK | os.O_CLOEXEC)
    return descriptor if descriptor >= 0 else None  # -1: this user has too many


@cache
def _libc() -> tuple[_INotifyCall, _INotifyCall, _INotifyCall]:
    libc = ctypes.CDLL(None)
    return libc.inotify_init1, libc.inotify_add_watch, libc.inotify_rm_watch
