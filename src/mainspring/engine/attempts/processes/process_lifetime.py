"""Lifetime of the engine's processes: they die with their parent, leave no memory behind, and no reused pid is mistaken for one of them."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when `parent` ends; at once if it already has. Linux only; others use the end of the channel."""
    if sys.platform != "linux":
        return
    set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def set_death_signal(number: int) -> None:
    """Ask the kernel for a signal to this process when the thread that started it ends."""
    _prctl()(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def protect_memory(*, with_commands: bool = True) -> None:
    """Keep secrets in the memory of this process: it writes no core file, and other users cannot trace it.

    `with_commands` = what it starts writes no core file either.
    """
    if with_commands:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _prctl()(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def read_start_mark(pid: int) -> str:
    """Return a mark that distinguishes this process from a later one with its pid; "" if the system has none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # field 22: start, in clock ticks since the boot


def kill_group(pgid: int, number: int) -> None:
    """Send a signal to a whole process group, if a process of it is left."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM when only zombies are left
        return


def _prctl() -> Callable[..., int]:
    import ctypes  # noqa: PLC0415 - `exec`, which starts for each line of a crontab, never needs it

    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return function
